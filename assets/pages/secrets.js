// The org's secrets: what there is, and new values for them. No page ever shows a value.

import { button } from "../components/buttons.js";
import { ask } from "../components/dialogs.js";
import { field, input, showProblems } from "../components/fields.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { getAll, post, put, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root) {
  const page = new AbortController();
  const list = h("div", {});
  const reload = () =>
    loadInto(
      list,
      page.signal,
      () => getAll("/secrets", page),
      (secrets) => replace(list, secrets.length ? table(secrets, reload) : nothingYet()),
    );
  root.append(
    pageHeading("Secrets", {
      actions:
        may("secrets.manage") &&
        button("New secret…", {
          look: "primary",
          name: "plus",
          onclick: () => openForm(null, reload),
        }),
      below: h(
        "p",
        { class: "muted" },
        "Values that phases need and nobody may see: encrypted, handed to workers, masked in logs.",
      ),
    }),
    list,
  );
  reload();
  return () => page.abort();
}

function table(secrets, reload) {
  const heads = ["Name", "In commands", "Version", "Changed", "By"].map((text) =>
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
      secrets.map((secret) => row(secret, reload)),
    ),
  );
}

function row(secret, reload) {
  return h(
    "tr",
    {},
    h(
      "td",
      {},
      h("strong", {}, secret.name),
      secret.description && h("div", { class: "muted small" }, visible(secret.description)),
    ),
    h("td", { dataset: { label: "In commands" } }, h("code", {}, `$${secret.environment}`)),
    h("td", { dataset: { label: "Version" } }, String(secret.version)),
    h("td", { dataset: { label: "Changed" } }, ago(secret.updated_at)),
    h("td", { dataset: { label: "By" } }, visible(secret.updated_by.email)),
    h("td", { class: "table-actions" }, may("secrets.manage") && actions(secret, reload)),
  );
}

function actions(secret, reload) {
  const path = `/secrets/${encodeURIComponent(secret.name)}`;
  const end = () =>
    ask({
      title: `Delete ${secret.name}?`,
      content: h(
        "p",
        {},
        "Templates that name it cannot run any more, and automations that wait for it will fail.",
      ),
      actions: [
        { text: "Delete the secret", look: "danger", run: () => remove(path).then(reload) },
      ],
    });
  return [
    button("New value…", {
      look: "quiet",
      "aria-label": `New value of ${secret.name}`,
      onclick: () => openForm(secret, reload),
    }),
    button("Delete…", {
      look: "quiet danger-text",
      "aria-label": `Delete ${secret.name}`,
      onclick: end,
    }),
  ];
}

/** The form for a new secret, or for the next value of one that there is. */
function openForm(secret, reload) {
  const name = field({
    label: "Name",
    path: "name",
    help: "Phases name it under secrets: a to z, 0 to 9 and -.",
    control: input({ maxlength: 63 }),
  });
  const description = field({
    label: "Description",
    path: "description",
    control: input({ maxlength: 500, value: secret?.description ?? "" }),
  });
  const value = field({
    label: "Value",
    path: "value",
    help: "At least 6 bytes, as a shorter one could not be masked. Keys of several lines: opsicle secrets create.",
    control: input({ type: "password", autocomplete: "new-password" }),
  });
  const fields = secret ? [description, value] : [name, description, value];
  const send = () => {
    const body = { value: value.control.value, description: description.control.value.trim() };
    if (secret) return put(`/secrets/${encodeURIComponent(secret.name)}`, body);
    return post("/secrets", { ...body, name: name.control.value.trim() });
  };
  const run = async () => {
    try {
      await send();
    } catch (error) {
      const others = showProblems(fields, error.errors ?? []);
      if (!error.errors?.length || others.length) throw error;
      return false;
    }
    reload();
    return true;
  };
  ask({
    title: secret ? `New value of ${secret.name}` : "New secret",
    content: fields.map((each) => each.element),
    actions: [{ text: secret ? "Keep the new value" : "Keep the secret", look: "primary", run }],
  });
}

function nothingYet() {
  return emptyState(
    "No secrets",
    h(
      "p",
      {},
      "A secret is a password or key that commands need. Make one, then name it in a template’s phase:",
    ),
    h("p", {}, h("code", {}, "secrets: [db-password]")),
  );
}
