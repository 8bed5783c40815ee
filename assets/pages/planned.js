// What is to begin at a time that somebody has chosen, the next first, and calling it off.

import { confirmCancel, mayCancel } from "../components/cancelling.js";
import { button, buttonLink } from "../components/buttons.js";
import { opensWith } from "../components/dialogs.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { actionsColumn, column, List } from "../components/list.js";
import { stateBadge } from "../components/states.js";
import { whatRuns } from "../components/targets.js";
import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { may } from "../lib/session.js";
import { ago, dayAndTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root, { title }) {
  const page = new AbortController();
  const list = new List({
    label: title,
    look: "planned-rows",
    endpoint: "/planned-starts",
    columns: [...COLUMNS, actionsColumn(actions)],
    link: ({ id }) => `/automations/${id}`,
    nameOf: ({ id }) => id,
    empty: () =>
      emptyState(
        t`Nothing is planned`,
        h("p", {}, t`Whoever runs a template may say when it is to begin.`),
        may("templates.view") && buttonLink(t`To the templates`, "/templates"),
      ),
    isLive: true,
    signal: page.signal,
  });
  const above = may("schedules.view")
    ? h("a", { href: "/schedules" }, t`Schedules`)
    : h("a", { href: "/automations" }, t`Automations`);
  const below = h("p", { class: "muted" }, t`What begins at a time that somebody has chosen.`);
  root.append(pageHeading(title, { above, beside: list.mark, below }), list.element);
  return () => page.abort();
}

const COLUMNS = [
  column(t`Begins`, ({ start_at: at }) => [
    h("strong", {}, dayAndTime(at)),
    h("div", { class: "muted small" }, ago(at)),
  ]),
  column(
    t`What`,
    (planned) => [
      h("strong", {}, whatRuns(planned)),
      planned.reason && h("div", { class: "muted small" }, visible(planned.reason)),
    ],
    { size: "grow" },
  ),
  column(t`By`, ({ requester }) => visible(requester.name || requester.email), { isMinor: true }),
  column(t`State`, ({ state }) => stateBadge(state)),
];

/** All of it says whether its name is to be typed. */
function actions(planned) {
  const path = { automation_id: planned.id };
  const load = () => get("/automations/{automation_id}", { path });
  return [mayCancel(planned) && button(t`Cancel…`, { onclick: opensWith(load, confirmCancel) })];
}
