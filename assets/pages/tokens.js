// One's own API tokens, with which programs act in one's name.

import { button, copyButton } from "../components/buttons.js";
import { ask } from "../components/dialogs.js";
import { field, input, select, showProblems } from "../components/fields.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { noticeBox } from "../components/problems.js";
import { getAll, post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const LIVES = [
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "a year"],
  ["", "for ever"],
];

export function mount(root) {
  const page = new AbortController();
  const fresh = h("div", {});
  const list = h("div", {});
  const reload = () =>
    loadInto(
      list,
      page.signal,
      () => getAll("/tokens", page),
      (tokens) => replace(list, tokens.length ? table(tokens, reload) : nothingYet()),
    );
  const create = button("New token…", {
    look: "primary",
    name: "plus",
    onclick: () => openForm(fresh, reload),
  });
  root.append(
    pageHeading("API tokens", {
      actions: create,
      below: h(
        "p",
        { class: "muted" },
        "A program that has one acts in your name: with scopes as far as they reach, without them as far as you may.",
      ),
    }),
    fresh,
    list,
  );
  reload();
  return () => page.abort();
}

function table(tokens, reload) {
  const heads = ["Name", "Begins with", "May", "Made", "Last used", "Expires"].map((text) =>
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
      tokens.map((token) => row(token, reload)),
    ),
  );
}

function row(token, reload) {
  const end = () =>
    ask({
      title: `End ${token.name}?`,
      content: h("p", {}, "Programs that use it are refused from now on."),
      actions: [
        {
          text: "End the token",
          look: "danger",
          run: () => remove(`/tokens/${token.id}`).then(reload),
        },
      ],
    });
  return h(
    "tr",
    {},
    h("td", {}, h("strong", {}, visible(token.name))),
    h("td", { dataset: { label: "Begins with" } }, h("code", {}, token.prefix)),
    h("td", { dataset: { label: "May" } }, scopesOf(token)),
    h("td", { dataset: { label: "Made" } }, ago(token.created_at)),
    h("td", { dataset: { label: "Last used" } }, ago(token.last_used_at, "never")),
    h("td", { dataset: { label: "Expires" } }, ago(token.expires_at, "never")),
    h(
      "td",
      { class: "table-actions" },
      button("End…", {
        look: "quiet danger-text",
        "aria-label": `End ${token.name}`,
        onclick: end,
      }),
    ),
  );
}

function scopesOf({ scopes }) {
  if (!scopes) return h("span", { class: "muted" }, "all that you may");
  return scopes.map((scope) => h("div", {}, h("code", {}, visible(scope))));
}

function openForm(fresh, reload) {
  const name = field({
    label: "Name",
    path: "name",
    help: "What uses it, such as “nightly backup”.",
    control: input(),
  });
  const life = field({ label: "Works for", path: "expires_in_days", control: select(LIVES, "90") });
  const scopes = field({
    label: "Scopes",
    path: "scopes",
    help: "What it may do, one a line, as in: execute templates/backup. Empty: all that you may.",
    control: h("textarea", { class: "input", rows: "3", spellcheck: "false" }),
  });
  const fields = [name, life, scopes];
  const run = async () => {
    const lines = scopes.control.value.split("\n").filter((line) => line.trim());
    try {
      const made = await post("/tokens", {
        name: name.control.value.trim(),
        expires_in_days: life.control.value ? Number(life.control.value) : null,
        scopes: lines.length ? lines : null,
      });
      replace(fresh, newToken(made));
    } catch (error) {
      const others = showProblems(fields, error.errors ?? []);
      if (!error.errors?.length || others.length) throw error;
      return false;
    }
    reload();
    return true;
  };
  ask({
    title: "New API token",
    content: fields.map((each) => each.element),
    actions: [{ text: "Make the token", look: "primary", run }],
  });
}

function newToken({ token, details }) {
  return noticeBox(
    "note",
    h("strong", {}, `${details.name}: copy it now, it is never shown again`),
    h("pre", { class: "command-line", tabindex: "0" }, token),
    copyButton(() => token),
  );
}

function nothingYet() {
  return emptyState(
    "No tokens",
    h(
      "p",
      {},
      "Make one for a script or a CI job, and give it to the command line with ",
      h("code", {}, "OPSICLE_SERVER"),
      " and ",
      h("code", {}, "OPSICLE_TOKEN"),
      ".",
    ),
  );
}
