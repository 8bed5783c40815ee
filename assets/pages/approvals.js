// The approver's inbox: what waits for their decision, what they asked for, and all of the org.

import { onWaitingCount } from "../components/attention.js";
import { chipsFilter } from "../components/filters.js";
import { emptyState, pageHeading, setTitle } from "../components/headings.js";
import { column, List } from "../components/list.js";
import { stateBadge, stateText } from "../components/states.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";
import { versionText } from "../lib/templates.js";
import { ago, countdown } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const VIEWS = [
  { value: "inbox", content: t`To decide` },
  { value: "asked", content: t`I asked` },
  { value: "all", content: t`All` },
];

export function mount(root, { title, query }) {
  const page = new AbortController();
  const label = t`Which approvals`;
  const whose = chipsFilter({ name: "whose", label, value: query.get("whose"), choices: VIEWS });
  const list = new List({
    label: title,
    endpoint: "/approvals",
    columns: COLUMNS,
    filters: [whose],
    link: ({ id }) => `/approvals/${id}`,
    nameOf: ({ template }) => template,
    empty: () => nothing(whose.values().whose),
    isLive: true,
    signal: page.signal,
  });
  root.append(pageHeading(title, { beside: list.mark }), list.element);
  onWaitingCount((count) => setTitle(count ? `(${count}) ${title}` : title), page);
  return () => page.abort();
}

const KINDS = {
  run: () => null,
  pause: (phase) => t`pauses at ${phase}`,
  failure: (phase) => t`failed at ${phase}`,
};

const COLUMNS = [
  column(t`What`, ({ template, version, reason, kind, phase }) => {
    const place = KINDS[kind](phase && visible(phase));
    return [
      h("strong", {}, template),
      " ",
      h("span", {}, versionText(version)),
      reason && h("div", { class: "muted" }, visible(reason)),
      place && h("div", { class: "muted small" }, place),
    ];
  }),
  column(t`Asked by`, ({ requester }) => visible(requester.name || requester.email)),
  column(t`Asked`, ({ asked_at: at }) => ago(at)),
  column(
    t`State`,
    ({ state, explanation, waiting_for: waiting }) => [
      stateBadge(state),
      " ",
      h("span", { class: "muted small" }, visible(besides(state, said(explanation || waiting)))),
    ],
    { size: "tall" },
  ),
  column(t`Time left`, ({ expires_at: until }) => (until ? countdown(until) : "–")),
];

/** What a sentence says besides the state with which it begins: "by bob@example.com" of "rejected by …". */
function besides(state, sentence) {
  const known = `${stateText(state)} `;
  return sentence.startsWith(known) ? sentence.slice(known.length) : sentence;
}

function nothing(whose) {
  if (whose === "inbox") {
    const what = t`What others want to run and you may decide stands here.`;
    return emptyState(t`Nothing waits for your decision`, h("p", {}, what));
  }
  return emptyState(
    whose === "asked" ? t`You have asked for nothing` : t`Nobody has asked for anything`,
    h("p", {}, t`A template with an approval policy asks when it is run.`),
  );
}
