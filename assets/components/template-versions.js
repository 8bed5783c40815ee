// The versions of a template: who has pushed each and why, and how two of them differ.

import { get, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { navigate } from "../lib/router.js";
import { may } from "../lib/session.js";
import { pathOf } from "../lib/templates.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { confirm } from "./dialogs.js";
import { sideBySide } from "./diff-sides.js";
import { select } from "./fields.js";
import { column, List, remark } from "./list.js";
import { loadInto } from "./loading.js";
import { t } from "../lib/language.js";

const COLUMNS = [
  column(t`Version`, ({ version, message }) => [
    h("strong", {}, t`version ${version}`),
    message && remark(visible(message)),
  ]),
  column(t`By`, ({ pushed_by: person }) => visible(person.name || person.email)),
  column(t`Pushed`, ({ pushed_at: at }) => ago(at)),
  column(
    t`Digest`,
    ({ digest }) =>
      h("code", { class: "muted", title: digest }, digest.replace("sha256:", "").slice(0, 12)),
    { card: "none" },
  ),
];

export function versionsView(template, signal) {
  const list = new List({
    label: t`Versions`,
    load: (query) =>
      get("/templates/{name}/versions", { path: { name: template.name }, query, signal }),
    columns: COLUMNS,
    link: ({ version }) => `${pathOf(template)}?version=${version}`,
    key: ({ version }) => version,
    signal,
  });
  return [
    list.element,
    template.latest_version > 1 && comparison(template, signal),
    may("templates.delete") && deletion(template),
  ];
}

function comparison({ name, version, latest_version: latest }, signal) {
  const numbers = Array.from({ length: latest }, (_, i) => String(latest - i));
  const options = numbers.map((number) => [number, t`version ${number}`]);
  const choose = (chosen, label) =>
    select(options, String(chosen), { "aria-label": label, onchange: () => compare() });
  const from = choose(Math.max(1, version - 1), t`Compare from`);
  const to = choose(version, t`Compare to`);
  const result = h("div", {});
  const compare = () => {
    const query = { from: from.value, to: to.value };
    const load = () => get("/templates/{name}/diff", { path: { name }, query, signal });
    loadInto(result, signal, load, ({ diff }) => replace(result, sideBySide(diff)));
  };
  compare();
  const toolbar = h("div", { class: "toolbar compared-versions" }, from, h("span", {}, "→"), to);
  return [h("h2", {}, t`Compare`), toolbar, result];
}

function deletion({ name }) {
  const open = () =>
    confirm({
      title: t`Delete ${name}?`,
      text: t`Nobody can run it any more. Automations that ran it stay, with the version that they ran.`,
      action: t`Delete the template`,
      run: () => remove("/templates/{name}", { path: { name } }),
      done: () => navigate("/templates"),
    });
  const end = button(t`Delete this template…`, { look: "quiet", onclick: open });
  return h("p", { class: "danger-zone" }, end);
}
