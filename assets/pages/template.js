// One template: what it does, what it asks for, how it changed.

import { button, buttonLink } from "../components/buttons.js";
import { ask } from "../components/dialogs.js";
import { diffView } from "../components/diff.js";
import { select } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { noticeBox, placesList } from "../components/problems.js";
import { sourceView } from "../components/source.js";
import { planView } from "../components/steps.js";
import { get, getAll, remove, withQuery } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { navigate, setQuery } from "../lib/router.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { environmentName, typeOf } from "../lib/values.js";
import { visible, visibleValue } from "../lib/visible.js";

const VIEWS = [
  ["plan", "What it does"],
  ["source", "Source"],
  ["versions", "Versions"],
];

export function mount(root, { name, query }) {
  const page = new AbortController();
  const path = `/templates/${encodeURIComponent(name)}`;
  const version = query.get("version") ?? "";
  const content = h("div", {}, pageHeading(name));
  root.append(content);
  const load = () => get(version ? `${path}/versions/${encodeURIComponent(version)}` : path, page);
  loadInto(content, page.signal, load, (template) => {
    replace(
      content,
      heading(template, path),
      notices(template, path),
      views(template, path, query, page),
    );
    content.querySelector("h1").focus({ preventScroll: true });
  });
  return () => page.abort();
}

function heading(template, path) {
  const title = visible(template.display_name || template.name);
  const isOld = template.version !== template.latest_version;
  const runPath = withQuery(`${path}/run`, { version: isOld ? String(template.version) : "" });
  return pageHeading(title, {
    above: [h("a", { href: "/templates" }, "Templates"), " / ", h("code", {}, template.name)],
    actions: [
      may("templates.push") && buttonLink("New version", `${path}/push`),
      buttonLink("Runs", withQuery("/automations", { template: template.name }), {
        name: "automations",
      }),
      may("automations.create") &&
        !template.unsupported.length &&
        buttonLink("Run", runPath, { look: "primary", name: "run" }),
    ],
    below: [
      template.description && h("p", { class: "lead" }, visible(template.description)),
      h(
        "p",
        { class: "muted" },
        `version ${template.version}`,
        isOld && ` of ${template.latest_version}`,
        ", pushed by ",
        visible(template.pushed_by.name || template.pushed_by.email),
        " ",
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

function notices(template, path) {
  return [
    template.version !== template.latest_version &&
      noticeBox(
        "note",
        h("p", {}, "This is an older version. ", h("a", { href: path }, "Show the newest")),
      ),
    template.unsupported.length > 0 &&
      noticeBox(
        "bad",
        h("strong", {}, "This version cannot run yet"),
        placesList(template.unsupported),
      ),
    template.warnings.length > 0 &&
      noticeBox("warn", h("strong", {}, "Worth a look"), placesList(template.warnings)),
  ];
}

function views(template, path, query, page) {
  const panel = h("div", { class: "panel", role: "tabpanel", tabindex: "-1" });
  const tabs = VIEWS.map(([key, text]) =>
    h("button", { type: "button", role: "tab", class: "tab", dataset: { key } }, text),
  );
  const show = (key) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab.dataset.key === key));
      tab.tabIndex = tab.dataset.key === key ? 0 : -1;
    }
    if (key === "source")
      replace(
        panel,
        sourceView(template.source, [...template.warnings, ...template.unsupported]).element,
      );
    else if (key === "versions") versionsPanel(panel, template, path, query, page);
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
  const labels = Object.entries(template.runs_on);
  return h(
    "div",
    { class: "columns" },
    h("section", {}, h("h2", {}, "Phases"), planView(template.phases)),
    h(
      "section",
      {},
      h("h2", {}, "Variables"),
      template.variables.length
        ? variablesTable(template.variables)
        : h("p", { class: "muted" }, "It asks for nothing."),
      h("h2", {}, "Where it runs"),
      h(
        "p",
        {},
        labels.length
          ? [
              template.accepts_claimed
                ? "On a worker that at least says of itself that it has "
                : "On a worker with ",
              labels.map(([key, value]) =>
                h("code", { class: "fact" }, visible(`${key}=${value}`)),
              ),
            ]
          : "On any worker.",
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
          template.notify.map((entry) => h("li", {}, visible(toldText(entry)))),
        ),
      ],
    ),
  );
}

function toldText({ states = [], users = [], groups = [], chats = [] }) {
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

function versionsPanel(panel, template, path, query, page) {
  loadInto(
    panel,
    page.signal,
    () => getAll(`${path}/versions`, page),
    (versions) => {
      const numbers = versions.map((each) => [String(each.version), `version ${each.version}`]);
      const from = select(numbers, String(Math.max(1, template.version - 1)), {
        "aria-label": "Compare from",
      });
      const to = select(numbers, String(template.version), { "aria-label": "Compare to" });
      const result = h("div", {});
      const compare = () =>
        loadInto(
          result,
          page.signal,
          () => get(`${path}/diff?from=${from.value}&to=${to.value}`, page),
          ({ diff }) => replace(result, diffView(diff)),
        );
      from.addEventListener("change", compare);
      to.addEventListener("change", compare);
      const comparison = versions.length > 1 && [
        h("h2", {}, "Compare"),
        h("div", { class: "toolbar" }, from, h("span", {}, "→"), to),
        result,
      ];
      replace(
        panel,
        versionList(versions, path),
        comparison,
        may("templates.delete") && deletion(template, path),
      );
      if (comparison) compare();
    },
  );
}

function versionList(versions, path) {
  const items = versions.map((each) =>
    h(
      "li",
      { class: "row" },
      h(
        "div",
        { class: "row-main" },
        h(
          "a",
          { class: "row-title", href: `${path}?version=${each.version}` },
          `version ${each.version}`,
        ),
        h(
          "p",
          { class: "row-facts" },
          visible(each.pushed_by.name || each.pushed_by.email),
          ", ",
          ago(each.pushed_at),
          " · ",
          h("code", { title: each.digest }, each.digest.replace("sha256:", "").slice(0, 12)),
        ),
      ),
    ),
  );
  return h("ul", { class: "rows" }, items);
}

function deletion(template, path) {
  const run = async () => {
    await remove(path);
    navigate("/templates");
  };
  const open = () =>
    ask({
      title: `Delete ${template.name}?`,
      content: h(
        "p",
        {},
        "Nobody can run it any more. Automations that ran it stay, with the version that they ran.",
      ),
      actions: [{ text: "Delete the template", look: "danger", run }],
    });
  return h(
    "p",
    { class: "danger-zone" },
    button("Delete this template…", { look: "quiet danger-text", onclick: open }),
  );
}
