// One template: what it does, what it asks for, how it changed.

import { button, buttonLink } from "../components/buttons.js";
import { confirm } from "../components/dialogs.js";
import { diffView } from "../components/diff.js";
import { select } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import { List } from "../components/list.js";
import { loadInto } from "../components/loading.js";
import { noticeBox, problemList } from "../components/problems.js";
import { sourceView } from "../components/source.js";
import { phasesView } from "../components/steps.js";
import { placeView } from "../components/targets.js";
import { get, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { queryText } from "../lib/query.js";
import { navigate, setQuery } from "../lib/router.js";
import { may } from "../lib/session.js";
import { getTemplate, pathOf } from "../lib/templates.js";
import { ago, durationText } from "../lib/times.js";
import { templateQueueTexts } from "../lib/placement.js";
import { environmentName, typeOf } from "../lib/values.js";
import { visible, visibleValue } from "../lib/visible.js";

const VIEWS = [
  ["plan", "What it does"],
  ["source", "Source"],
  ["versions", "Versions"],
];

export function mount(root, { name, query }) {
  const page = new AbortController();
  const content = h("div", {}, pageHeading(name));
  root.append(content);
  const load = () => getTemplate(name, query.get("version"), page);
  loadInto(content, page.signal, load, (template) => {
    replace(content, heading(template), notices(template), views(template, query, page));
    content.querySelector("h1").focus({ preventScroll: true });
  });
  return () => page.abort();
}

function heading(template) {
  const path = pathOf(template);
  const isOld = template.version !== template.latest_version;
  const canRun = may("automations.create");
  const runPath = `${path}/run${queryText({ version: isOld && template.version })}`;
  const runsPath = `/automations${queryText({ template: template.name })}`;
  const pusher = visible(template.pushed_by.name || template.pushed_by.email);
  return pageHeading(visible(template.display_name || template.name), {
    above: [h("a", { href: "/templates" }, "Templates"), " / ", h("code", {}, template.name)],
    actions: [
      may("templates.push") && buttonLink("New version", `${path}/push`),
      buttonLink("Runs", runsPath, { name: "automations" }),
      canRun && buttonLink("Run", runPath, { look: "primary", name: "run" }),
    ],
    below: [
      template.description && h("p", { class: "lead" }, visible(template.description)),
      h(
        "p",
        { class: "muted" },
        `version ${template.version}`,
        isOld && ` of ${template.latest_version}`,
        `, pushed by ${pusher} `,
        ago(template.pushed_at),
        ownersText(template.owners),
      ),
    ],
  });
}

function ownersText(owners) {
  if (!owners.length) return null;
  return [
    " · ask ",
    owners.map((owner, i) => [
      i ? ", " : "",
      owner.email
        ? h("a", { href: `mailto:${owner.email}` }, visible(owner.name || owner.email))
        : visible(owner.name ?? ""),
    ]),
  ];
}

function notices(template) {
  return [
    template.version !== template.latest_version &&
      noticeBox(
        "note",
        h(
          "p",
          {},
          "This is an older version. ",
          h("a", { href: pathOf(template) }, "Show the newest"),
        ),
      ),
    template.warnings.length > 0 &&
      noticeBox("warn", h("strong", {}, "Worth a look"), problemList(template.warnings)),
  ];
}

function views(template, query, page) {
  const panel = h("div", { class: "panel", role: "tabpanel", tabindex: "-1" });
  const tabs = VIEWS.map(([key, text]) =>
    h("button", { type: "button", role: "tab", class: "tab", dataset: { key } }, text),
  );
  const show = (key) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab.dataset.key === key));
      tab.tabIndex = tab.dataset.key === key ? 0 : -1;
    }
    if (key === "source") replace(panel, sourceView(template.source, template.warnings).element);
    else if (key === "versions") versionsPanel(panel, template, page);
    else replace(panel, planPanel(template));
  };
  const choose = (tab) => {
    setQuery({
      version: query.get("version"),
      view: tab.dataset.key === "plan" ? "" : tab.dataset.key,
    });
    show(tab.dataset.key);
    tab.focus();
  };
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) choose(tabs[(i + step + tabs.length) % tabs.length]);
    });
  }
  show(VIEWS.some(([key]) => key === query.get("view")) ? query.get("view") : "plan");
  return [
    h("div", { class: "tabs", role: "tablist", "aria-label": "Views of the template" }, tabs),
    panel,
  ];
}

function planPanel(template) {
  return h(
    "div",
    { class: "columns" },
    h("section", {}, h("h2", {}, "Phases"), phasesView(template)),
    h(
      "section",
      {},
      h("h2", {}, "Variables"),
      template.variables.length
        ? variablesTable(template.variables)
        : h("p", { class: "muted" }, "It asks for nothing."),
      h("h2", {}, "Where it runs"),
      placeView(template),
      templateQueueTexts(template).map((text) => h("p", {}, visible(text), ".")),
      template.keep_workspace &&
        h(
          "p",
          {},
          `The workspace of a job that does not go well is kept for ${durationText(template.keep_workspace * 1000)}.`,
        ),
      template.needs_approval && h("p", {}, "Someone must approve each run."),
      template.needs_mfa &&
        h("p", {}, "Whoever runs it shows a fresh code of their authenticator app."),
      template.notify.length > 0 && [
        h("h2", {}, "Who hears how it ends"),
        h("p", {}, "Whoever ran it, and:"),
        h(
          "ul",
          {},
          template.notify.map((entry) => h("li", {}, visible(notifyText(entry)))),
        ),
      ],
    ),
  );
}

function notifyText({ states = [], users = [], groups = [], chats = [] }) {
  const named = [
    ...users,
    ...groups.map((name) => `group ${name}`),
    ...chats.map(({ channel, id }) => `${channel} room ${id}`),
  ];
  const ends = states.map((state) => state.replaceAll("_", " ")).join(", ");
  return `${named.join(", ")} (${ends || "however it ends"})`;
}

function variablesTable(variables) {
  const rows = variables.map((variable) =>
    h(
      "div",
      { class: "variable" },
      h(
        "dt",
        {},
        visible(variable.label || variable.id),
        " ",
        h("code", { class: "muted" }, environmentName(variable.id)),
      ),
      h(
        "dd",
        {},
        h("span", { class: "fact" }, typeOf(variable) + (variable.multiple ? ", several" : "")),
        variable.is_required && h("span", { class: "fact" }, "required"),
        variable.options?.length > 0 &&
          h("span", { class: "fact" }, visible(variable.options.join(" | "))),
        variable.default !== undefined &&
          variable.default !== null &&
          h("span", { class: "fact" }, "default ", h("code", {}, visibleValue(variable.default))),
        variable.description && h("p", {}, visible(variable.description)),
      ),
    ),
  );
  return h("dl", { class: "variables" }, rows);
}

function versionsPanel(panel, template, { signal }) {
  const list = new List({
    label: "Versions",
    load: (query) =>
      get("/templates/{name}/versions", { path: { name: template.name }, query, signal }),
    look: "rows",
    row: (version) => versionRow(version, template),
    key: ({ version }) => version,
    signal,
  });
  replace(
    panel,
    list.element,
    template.latest_version > 1 && comparison(template, signal),
    may("templates.delete") && deletion(template),
  );
}

function comparison({ name, version, latest_version: latest }, signal) {
  const numbers = Array.from({ length: latest }, (_, i) => String(latest - i));
  const options = numbers.map((number) => [number, `version ${number}`]);
  const choose = (chosen, label) =>
    select(options, String(chosen), { "aria-label": label, onchange: () => compare() });
  const from = choose(Math.max(1, version - 1), "Compare from");
  const to = choose(version, "Compare to");
  const result = h("div", {});
  const compare = () => {
    const query = { from: from.value, to: to.value };
    const load = () => get("/templates/{name}/diff", { path: { name }, query, signal });
    loadInto(result, signal, load, ({ diff }) => replace(result, diffView(diff)));
  };
  compare();
  const toolbar = h("div", { class: "toolbar" }, from, h("span", {}, "→"), to);
  return [h("h2", {}, "Compare"), toolbar, result];
}

function versionRow({ version, pushed_by: person, pushed_at: at, digest }, template) {
  const href = `${pathOf(template)}?version=${version}`;
  const short = h("code", { title: digest }, digest.replace("sha256:", "").slice(0, 12));
  return h(
    "li",
    { class: "row" },
    h(
      "div",
      { class: "row-main" },
      h("a", { class: "row-title", href }, `version ${version}`),
      h(
        "p",
        { class: "row-facts" },
        visible(person.name || person.email),
        ", ",
        ago(at),
        " · ",
        short,
      ),
    ),
  );
}

function deletion({ name }) {
  const open = () =>
    confirm({
      title: `Delete ${name}?`,
      text: "Nobody can run it any more. Automations that ran it stay, with the version that they ran.",
      action: "Delete the template",
      run: () => remove("/templates/{name}", { path: { name } }),
      done: () => navigate("/templates"),
    });
  const end = button("Delete this template…", { look: "quiet", onclick: open });
  return h("p", { class: "danger-zone" }, end);
}
