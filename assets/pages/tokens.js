// One's own API tokens, with which programs act in one's name.

import { button, copyButton } from "../components/buttons.js";
import { askForm, confirm } from "../components/dialogs.js";
import { field, input, lines, select, textarea } from "../components/fields.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { actionsColumn, column, List, severalLines } from "../components/list.js";
import { noticeBox } from "../components/problems.js";
import { post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const LIFETIMES = [
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", t`a year`],
  ["", t`for ever`],
];

const ABOUT = t`A program with a token acts in your name: as far as its scopes reach or, if it has none, as far as you may.`;

export function mount(root, { title }) {
  const page = new AbortController();
  const fresh = h("div", {});
  const list = new List({
    label: title,
    endpoint: "/tokens",
    columns: [...COLUMNS, actionsColumn((token) => endButton(token, list))],
    empty: nothingYet,
    signal: page.signal,
  });
  const open = () => openForm(fresh, list);
  const create = button(t`New token…`, { look: "primary", name: "plus", onclick: open });
  const below = h("p", { class: "muted" }, ABOUT);
  root.append(pageHeading(title, { actions: create, below }), fresh, list.element);
  return () => page.abort();
}

const COLUMNS = [
  column(t`Name`, ({ name }) => h("strong", {}, visible(name))),
  column(t`Begins with`, ({ prefix }) => h("code", {}, prefix), { isMinor: true }),
  column(t`May`, scopesOf, { size: "tall", card: "line" }),
  column(t`Made`, ({ created_at: at }) => ago(at), { card: "none" }),
  column(t`Last used`, ({ last_used_at: at }) => ago(at, t`never`)),
  column(t`Expires`, ({ expires_at: at }) => ago(at, t`never`)),
];

function scopesOf({ scopes }) {
  if (!scopes) return h("span", { class: "muted" }, t`all that you may`);
  const each = scopes.map((scope) => h("div", {}, h("code", {}, visible(scope))));
  return each.length > 1 ? severalLines(each) : each;
}

function endButton({ id, name }, list) {
  const onclick = () =>
    confirm({
      title: t`End ${name}?`,
      text: t`Programs that use it are refused from now on.`,
      action: t`End the token`,
      run: () => remove("/tokens/{token_id}", { path: { token_id: id } }),
      done: list.reload,
    });
  return button(t`End…`, { look: "quiet", "aria-label": t`End ${name}`, onclick });
}

function openForm(fresh, list) {
  const name = field({
    label: t`Name`,
    path: "name",
    help: t`What uses it, such as “nightly backup”.`,
    control: input(),
  });
  const life = field({
    label: t`Works for`,
    path: "expires_in_days",
    control: select(LIFETIMES, "90"),
  });
  const scopes = field({
    label: t`Scopes`,
    path: "scopes",
    help: t`What it may do, one a line, as in: execute templates/backup. Empty: all that you may.`,
    control: textarea({ rows: 3 }),
  });
  const send = () => {
    const given = lines(scopes.control);
    const body = {
      name: name.control.value.trim(),
      expires_in_days: life.control.value ? Number(life.control.value) : null,
      scopes: given.length ? given : null,
    };
    return post("/tokens", { body });
  };
  askForm({
    title: t`New API token`,
    fields: [name, life, scopes],
    send,
    action: t`Make the token`,
    done: (made) => {
      replace(fresh, newToken(made));
      list.reload();
    },
  });
}

function newToken({ token, details }) {
  return noticeBox(
    "note",
    h("strong", {}, t`${details.name}: copy it now, it is never shown again`),
    h("pre", { class: "command-line", tabindex: "0" }, token),
    copyButton(() => token),
  );
}

function nothingYet() {
  const [server, token] = ["OPSICLE_SERVER", "OPSICLE_TOKEN"].map((name) => h("code", {}, name));
  const text = t`A token lets a script or a CI job act for you. The button above makes one; the command line takes it in ${server} and ${token}.`;
  return emptyState(t`No tokens`, h("p", {}, text));
}
