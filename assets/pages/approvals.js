// The approver's inbox: what waits for their decision, what they asked for, and all of the org.

import { onWaitingCount } from "../components/attention.js";
import { buttonLink } from "../components/buttons.js";
import { chipsFilter } from "../components/filters.js";
import { emptyState, pageHeading, setTitle } from "../components/headings.js";
import { column, List, remark } from "../components/list.js";
import { stateBadge } from "../components/states.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";
import { may } from "../lib/session.js";
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
  column(t`What`, (approval) => {
    const { template, version, reason, kind, phase } = approval;
    const place = KINDS[kind](phase && visible(phase));
    const note = visible(noteOn(approval) ?? "");
    const remarks = [place, note].filter(Boolean).join(" · ");
    return [
      h("span", {}, h("strong", {}, template), " ", versionText(version)),
      reason && h("div", { class: "muted" }, visible(reason)),
      remarks && remark(remarks),
    ];
  }),
  column(t`By`, ({ requester }) => visible(requester.name || requester.email), { label: "" }),
  column(t`Asked`, ({ asked_at: at }) => ago(at), { isMinor: true }),
  column(t`State`, ({ state }) => stateBadge(state)),
  column(t`Time left`, ({ expires_at: until }) => (until ? countdown(until) : "–"), {
    label: t`Expires in`,
  }),
];

/** Whom it waits for, or how it ended. */
function noteOn({ explanation, waiting_for: waiting }) {
  return said(explanation || waiting);
}

function nothing(whose) {
  if (whose === "inbox") {
    const what = t`What others want to run and you may decide stands here.`;
    return emptyState(t`Nothing waits for your decision`, h("p", {}, what));
  }
  return emptyState(
    whose === "asked" ? t`You have asked for nothing` : t`Nobody has asked for anything`,
    h("p", {}, t`A template with an approval policy asks when it is run.`),
    may("policies.view") && buttonLink(t`See the policies`, "/policies"),
  );
}
