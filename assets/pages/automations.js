// What runs, what waits, what ran: newest first, live.

import { buttonLink } from "../components/buttons.js";
import { CANCEL_SEVERAL } from "../components/cancelling.js";
import { chipsFilter, searchFilter } from "../components/filters.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { column, List, remark } from "../components/list.js";
import { refreshesWhileRunning } from "../components/live.js";
import { phaseStrip } from "../components/phase-strip.js";
import { spanFilter } from "../components/span-filter.js";
import { whatRuns } from "../components/targets.js";
import { isFinal, stateBadge, stateChoice, STATES, stateText } from "../components/states.js";
import { get, getAll } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";
import { may, whoAmI } from "../lib/session.js";
import { ago, duration } from "../lib/times.js";
import { visible } from "../lib/visible.js";

/** The states that have a chip; the others are in a menu beside them. */
const OFTEN_WANTED = ["awaiting_approval", "queued", "running", "succeeded", "failed"];

export function mount(root, { title, query }) {
  const page = new AbortController();
  const search = buttonLink(t`Search the logs`, "/logs");
  const goOn = refreshesWhileRunning(() => list.reload(), page);
  const list = new List({
    label: title,
    load: async ({ whose, ...asked }) => {
      const wanted = { ...asked, requester: whose && whoAmI().user.id };
      const found = await get("/automations", { query: wanted, signal: page.signal });
      goOn(found.items.some(({ state }) => state === "running"));
      return found;
    },
    look: "automation-rows",
    columns: [...COLUMNS],
    bulk: [CANCEL_SEVERAL],
    link: ({ id }) => `/automations/${id}`,
    nameOf: (automation) => `${whatRuns(automation)} ${automation.id}`,
    filters: [
      stateFilter(query),
      whoseFilter(query),
      templateFilter(query, page),
      spanFilter(query, [{ link: search, path: "/logs" }]),
    ],
    empty,
    isLive: true,
    signal: page.signal,
  });
  const run = buttonLink(t`Run a template`, "/templates", { look: "primary", name: "run" });
  const planned = buttonLink(t`Planned`, "/planned");
  const actions = [planned, search, run];
  root.append(pageHeading(title, { beside: list.mark, actions }), list.element);
  return () => page.abort();
}

function stateFilter(query) {
  const choices = OFTEN_WANTED.map(stateChoice);
  const others = STATES.filter((state) => !OFTEN_WANTED.includes(state));
  return chipsFilter({
    name: "state",
    label: t`State`,
    value: query.get("state"),
    choices: [{ value: "", content: t`all` }, ...choices],
    more: { label: t`another state`, choices: others.map((state) => [state, stateText(state)]) },
  });
}

function whoseFilter(query) {
  return chipsFilter({
    name: "whose",
    label: t`Whose runs`,
    value: query.get("whose"),
    choices: [
      { value: "", content: t`by anybody` },
      { value: "mine", content: t`by me` },
    ],
  });
}

function templateFilter(query, { signal }) {
  return searchFilter({
    name: "template",
    placeholder: t`Any template`,
    "aria-label": t`Template, by its whole name`,
    value: query.get("template"),
    class: "input medium",
    suggestions: getAll("/templates", { signal }).then((all) => all.map(({ name }) => name)),
  });
}

const COLUMNS = [
  column(t`State`, (automation) =>
    stateBadge(automation.state, isCancelling(automation) ? "(cancelling)" : ""),
  ),
  column(
    t`What`,
    (automation) => {
      const note = noteOn(automation);
      return [
        h("strong", {}, whatRuns(automation)),
        automation.reason && h("div", { class: "muted" }, visible(automation.reason)),
        note && remark(visible(note)),
      ];
    },
    { size: "grow" },
  ),
  column(t`Phases`, ({ phases }) => phaseStrip(phases) || "–", { isMinor: true }),
  column(t`By`, ({ requester }) => visible(requester.name || requester.email), { isMinor: true }),
  column(t`On`, ({ worker }) => (worker ? visible(worker.name) : "–"), { isMinor: true }),
  column(t`Triggered`, ({ created_at: at }) => ago(at)),
  column(t`Took`, ({ started_at: from, finished_at: to }) => duration(from, to), {
    isNumber: true,
    label: "",
  }),
];

function isCancelling(automation) {
  return automation.is_cancel_requested && !isFinal(automation.state);
}

function noteOn({ waiting_reason: waiting, explanation }) {
  return said(waiting || explanation);
}

function empty(isNarrowed) {
  if (isNarrowed) {
    const hint = t`Choose another state or time, or another template by its whole name.`;
    return emptyState(t`No automation fits`, h("p", {}, hint));
  }
  return emptyState(
    t`Nothing has run yet`,
    h("p", {}, t`Choose a template and run it; what it does shows up here, live.`),
    may("templates.view") && buttonLink(t`To the templates`, "/templates"),
  );
}
