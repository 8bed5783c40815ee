// Approval policies: what there is, each as it was pushed, and pushing.

import { note } from "../components/announcer.js";
import { button } from "../components/buttons.js";
import { ask } from "../components/dialogs.js";
import { field, showProblems } from "../components/fields.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { keptNotice, placesList } from "../components/problems.js";
import { sourceView } from "../components/source.js";
import { get, getAll, post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { keepDraft, takeDraft } from "../lib/drafts.js";
import { here } from "../lib/router.js";
import { may } from "../lib/session.js";
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

export function mount(root) {
  const page = new AbortController();
  const list = h("div", {});
  const reload = () =>
    loadInto(
      list,
      page.signal,
      () => getAll("/policies", page),
      (policies) => replace(list, policies.length ? table(policies, reload) : nothingYet()),
    );
  root.append(
    pageHeading("Policies", {
      actions:
        may("policies.manage") &&
        button("Push a policy…", { look: "primary", onclick: () => openPush(SAMPLE, reload) }),
      below: h(
        "p",
        { class: "muted" },
        "Who must agree before a template runs that names the policy, or to which it applies by itself.",
      ),
    }),
    list,
  );
  reload();
  const kept = takeDraft("policy", here());
  if (kept !== null) openPush(kept, reload, keptNotice());
  return () => page.abort();
}

function table(policies, reload) {
  const heads = ["Name", "Gates", "Version", "Pushed", "By"].map((text) =>
    h("th", { scope: "col" }, text),
  );
  return h(
    "table",
    { class: "table" },
    h(
      "thead",
      {},
      h("tr", {}, heads, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions"))),
    ),
    h(
      "tbody",
      {},
      policies.map((policy) => row(policy, reload)),
    ),
  );
}

function row(policy, reload) {
  return h(
    "tr",
    {},
    h(
      "td",
      {},
      h("strong", {}, policy.name),
      policy.is_default && h("div", { class: "muted small" }, "applies by itself"),
    ),
    h("td", { dataset: { label: "Gates" } }, visible(policy.gates.join(", "))),
    h("td", { dataset: { label: "Version" } }, String(policy.version)),
    h("td", { dataset: { label: "Pushed" } }, ago(policy.pushed_at)),
    h("td", { dataset: { label: "By" } }, visible(policy.pushed_by.email)),
    h("td", { class: "table-actions" }, actions(policy, reload)),
  );
}

function actions(policy, reload) {
  const path = `/policies/${encodeURIComponent(policy.name)}`;
  const show = async () => {
    const { source } = await get(path);
    const edit = { text: "Change…", look: "primary", run: () => openPush(source, reload) };
    ask({
      title: `${policy.name}, version ${policy.version}`,
      content: sourceView(source).element,
      actions: may("policies.manage") ? [edit] : [],
      isWide: true,
    });
  };
  const end = () =>
    ask({
      title: `Delete ${policy.name}?`,
      content: h(
        "p",
        {},
        policy.is_default
          ? "What names no policy is no longer asked for by it. Templates that name it cannot run."
          : "Templates that name it cannot run, and what it has let pass and does not run yet will not.",
      ),
      actions: [
        { text: "Delete the policy", look: "danger", run: () => remove(path).then(reload) },
      ],
    });
  return [
    button("Show", { look: "quiet", "aria-label": `Show ${policy.name}`, onclick: show }),
    may("policies.manage") &&
      button("Delete…", {
        look: "quiet danger-text",
        "aria-label": `Delete ${policy.name}`,
        onclick: end,
      }),
  ];
}

function openPush(source, reload, notice = null) {
  const text = field({
    label: "Policy (YAML)",
    path: "source",
    control: h("textarea", {
      class: "input",
      rows: "16",
      spellcheck: "false",
      wrap: "off",
      value: source,
    }),
  });
  const mistakes = h("div", { role: "status" });
  const run = async () => {
    try {
      const pushed = await post("/policies", { source: text.control.value });
      note(pushed.is_new ? `Pushed ${pushed.name}, version ${pushed.version}` : "Nothing new");
      if (pushed.warnings.length) {
        reload();
        replace(
          mistakes,
          h("p", {}, "It is pushed. What to look at:"),
          placesList(pushed.warnings),
        );
        return false;
      }
    } catch (error) {
      const others = showProblems([text], error.errors ?? []);
      if (!others.length) throw error;
      replace(mistakes, placesList(others));
      return false;
    }
    reload();
    return true;
  };
  ask({
    title: "Push a policy",
    content: [notice, text.element, mistakes],
    closed: keepDraft("policy", () => text.control.value),
    actions: [{ text: "Push", look: "primary", run }],
    isWide: true,
  });
}

function nothingYet() {
  return emptyState(
    "No policies",
    h(
      "p",
      {},
      "A policy says who must agree before something runs. Push one, then name it in a template:",
    ),
    h("p", {}, h("code", {}, "approvalPolicy: {policyRef: production}")),
  );
}
