// Approval policies: what there is, each as it was pushed, and pushing.

import { needView } from "../components/approval-need.js";
import { button } from "../components/buttons.js";
import { ask, confirm, opensWith } from "../components/dialogs.js";
import { field, select } from "../components/fields.js";
import { ADMINS, firstOne } from "../components/first-one.js";
import { pageHeading } from "../components/headings.js";
import { actionsColumn, column, List } from "../components/list.js";
import { keptNotice, problemBox } from "../components/problems.js";
import { openPushDialog } from "../components/push-dialog.js";
import { sourceView } from "../components/source.js";
import { get, getAll, post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { takeDraft } from "../lib/drafts.js";
import { t } from "../lib/language.js";
import { here } from "../lib/router.js";
import { may, whoAmI } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const SAMPLE = `apiVersion: v1
type: ApprovalPolicy
metadata:
  name: production
spec:
  gates:
    - name: line-manager
      approvers: {manager: true}
`;

const ABOUT = t`Who must agree before a template runs that names the policy, or to which it applies by itself.`;

export function mount(root, { title }) {
  const page = new AbortController();
  const list = new List({
    label: title,
    endpoint: "/policies",
    columns: [...COLUMNS, actionsColumn((policy) => actions(policy, list))],
    key: ({ name }) => name,
    show: ({ name }) => showing(name, list),
    showNamed: (name) => showing(name, list),
    empty: nothingYet,
    signal: page.signal,
  });
  const open = () => openPush(SAMPLE, list);
  const push =
    may("policies.manage") && button(t`Push a policy…`, { look: "primary", onclick: open });
  const below = h("p", { class: "muted" }, ABOUT);
  root.append(
    pageHeading(title, { actions: [maySimulate() && simulateButton(page), push], below }),
    list.element,
  );
  const kept = takeDraft("policy", here());
  if (kept !== null) openPush(kept, list, keptNotice());
  return () => page.abort();
}

function maySimulate() {
  return may("templates.view") && may("users.view");
}

/** Who would have to agree if somebody ran a template: as the server would ask, and nothing runs. */
function simulateButton({ signal }) {
  const load = () => Promise.all([getAll("/templates", { signal }), getAll("/users", { signal })]);
  return button(t`Who would agree…`, {
    onclick: opensWith(load, ([templates, people]) => simulate(templates, people)),
  });
}

function simulate(templates, people) {
  const template = field({
    label: t`If this template were run`,
    control: select(
      templates.map(({ name }) => [name, visible(name)]),
      templates[0]?.name,
    ),
  });
  const requester = field({
    label: t`By`,
    control: select(
      people.map(({ email }) => [email, visible(email)]),
      whoAmI().user.email,
    ),
  });
  const result = h("div", { role: "status" });
  const look = async () => {
    const path = { name: template.control.value };
    const query = { requester: requester.control.value };
    const isWanted = () =>
      path.name === template.control.value && query.requester === requester.control.value;
    try {
      const need = await get("/templates/{name}/approval", { path, query });
      if (isWanted()) replace(result, needView(need) ?? h("p", {}, t`Nobody has to agree.`));
    } catch (error) {
      if (isWanted()) replace(result, problemBox(error));
    }
  };
  for (const each of [template, requester]) each.control.addEventListener("change", look);
  ask({
    title: t`Who would have to agree?`,
    content: [template.element, requester.element, result],
    actions: [],
    back: t`Close`,
  });
  if (templates.length) look();
}

const COLUMNS = [
  column(t`Name`, ({ name, is_default: isDefault }) => [
    h("strong", {}, name),
    isDefault && h("div", { class: "muted small" }, t`applies by itself`),
  ]),
  column(t`Gates`, ({ gate_names: gates }) => visible(gates.join(", "))),
  column(t`Version`, ({ version }) => String(version), { card: "none" }),
  column(t`Pushed`, ({ pushed_at: at }) => ago(at), { card: "line" }),
  column(t`By`, ({ pushed_by: person }) => visible(person.name || person.email), { isMinor: true }),
];

function showing(name, list) {
  const load = () => get("/policies/{policy}", { path: { policy: name } });
  return opensWith(load, ({ source, version }) => {
    const edit = { text: t`Change…`, look: "primary", run: () => openPush(source, list) };
    ask({
      title: t`${name}, version ${version}`,
      content: sourceView(source),
      actions: may("policies.manage") ? [edit] : [],
      isWide: true,
    });
  });
}

function actions({ name, is_default: isDefault }, list) {
  const path = { policy: name };
  const end = () =>
    confirm({
      title: t`Delete ${name}?`,
      text: isDefault
        ? t`What names no policy is no longer asked for by it. Templates that name it cannot run.`
        : t`Templates that name it cannot run, and what it has let pass and does not run yet will not.`,
      action: t`Delete the policy`,
      run: () => remove("/policies/{policy}", { path }),
      done: list.reload,
    });
  const look = "quiet";
  return [
    may("policies.manage") &&
      button(t`Delete…`, { look, "aria-label": t`Delete ${name}`, onclick: end }),
  ];
}

function openPush(source, list, notice = null) {
  openPushDialog({
    noun: "policy",
    source,
    push: (text) => post("/policies", { body: { source: text } }),
    pushed: list.reload,
    notice,
  });
}

function nothingYet() {
  const reference = h("code", {}, "approvalPolicy: {policyRef: production}");
  return firstOne(
    t`No policies`,
    t`A policy says who must agree before something runs; a template names it: ${reference}.`,
    { takes: "policies.manage", command: "opsicle policies push FILE", by: ADMINS },
  );
}
