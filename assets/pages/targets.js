// Targets: the systems that jobs act on over SSH, and making a new one.

import { button, buttonLink } from "../components/buttons.js";
import { firstOne, OPERATORS } from "../components/first-one.js";
import { pageHeading } from "../components/headings.js";
import { column, List } from "../components/list.js";
import { keptNotice } from "../components/problems.js";
import { labelFacts, openPushTarget, openTargetForm } from "../components/target-form.js";
import { h } from "../lib/dom.js";
import { takeDraft } from "../lib/drafts.js";
import { t } from "../lib/language.js";
import { here } from "../lib/router.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const ABOUT = t`Machines that jobs act on over SSH, from a worker that reaches them.`;

export function mount(root, { title }) {
  const page = new AbortController();
  const list = new List({
    label: title,
    endpoint: "/targets",
    columns: COLUMNS,
    key: ({ name }) => name,
    link: ({ name }) => `/targets/${name}`,
    empty: nothingYet,
    signal: page.signal,
  });
  const open = () => openTargetForm(list.reload);
  const create =
    may("targets.manage") &&
    button(t`New target…`, { look: "primary", name: "plus", onclick: open });
  const versions =
    may("automations.view") && buttonLink(t`Last runs on targets`, "/target-last-runs");
  const below = h("p", { class: "muted" }, ABOUT);
  root.append(pageHeading(title, { actions: [versions, create], below }), list.element);
  const kept = takeDraft("target", here());
  if (kept !== null) openPushTarget(kept, list.reload, keptNotice());
  return () => page.abort();
}

const COLUMNS = [
  column(t`Name`, ({ name, description }) => [
    h("strong", {}, name),
    description && h("div", { class: "muted small" }, visible(description)),
  ]),
  column(
    t`Host`,
    ({ host, port }) => h("code", {}, visible(port === 22 ? host : `${host} : ${port}`)),
    { label: "" },
  ),
  column(t`User`, ({ user }) => visible(user), { card: "none" }),
  column(t`Labels`, ({ labels }) => labelFacts(labels), { label: "" }),
  column(t`Private key`, ({ secret }) => h("code", {}, visible(secret)), { isMinor: true }),
  column(t`Pushed`, ({ pushed_at: at }) => ago(at), { isMinor: true }),
];

function nothingYet() {
  return firstOne(t`No targets`, t`Templates name them, and their commands run there.`, {
    takes: "targets.manage",
    command: "opsicle targets push FILE",
    by: OPERATORS,
  });
}
