// The runbooks: find the right one and run it.

import { buttonLink } from "../components/buttons.js";
import { searchFilter } from "../components/filters.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { lastRun, recentRuns, runStrip } from "../components/last-runs.js";
import { actionsColumn, column, List } from "../components/list.js";
import { getAll } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { pathOf } from "../lib/templates.js";
import { visible } from "../lib/visible.js";

export function mount(root, { title, query }) {
  const page = new AbortController();
  const list = new List({
    label: title,
    load: () => load(page),
    look: "template-rows",
    columns: COLUMNS,
    link: ({ template }) => pathOf(template),
    nameOf: ({ template }) => template.name,
    key: ({ template }) => template.name,
    filters: [
      searchFilter({
        name: "q",
        placeholder: "Search by name, text, owner or label",
        "aria-label": "Search templates",
        value: query.get("q"),
        isInstant: true,
      }),
    ],
    fits: ({ template }, { q }) => fits(template, q),
    empty: (isNarrowed) => (isNarrowed ? nothingFound() : nothingYet()),
    isLive: true,
    signal: page.signal,
  });
  const push = may("templates.push") && buttonLink("Push a template", "/push", { name: "plus" });
  root.append(pageHeading(title, { beside: list.mark, actions: push }), list.element);
  return () => page.abort();
}

/** Every template with its newest runs. */
async function load({ signal }) {
  const [templates, runs] = await Promise.all([
    getAll("/templates", { signal }),
    may("automations.view") ? recentRuns({ signal }) : new Map(),
  ]);
  const items = templates.map((template) => ({ template, runs: runs.get(template.name) ?? [] }));
  return { items, next_cursor: "" };
}

const COLUMNS = [
  column("Template", ({ template }) => {
    const { name, display_name: title, description, labels } = template;
    const text = description || labels["opsicle.io/description"];
    return [
      h("strong", {}, visible(title || name)),
      title && title !== name && h("div", { class: "muted" }, h("code", {}, name)),
      template.needs_approval && h("div", {}, h("span", { class: "fact" }, "needs approval")),
      text && h("div", { class: "muted small" }, visible(text)),
    ];
  }),
  column("Owners", ({ template }) => ownersText(template.owners) || "–", { isMinor: true }),
  column("Last 30 runs", ({ runs }) => runStrip(runs), { isMinor: true }),
  column("Last run", ({ runs }) => lastRun(runs[0])),
  actionsColumn(({ template }) => may("automations.create") && runLink(template)),
];

function runLink(template) {
  return buttonLink("Run", `${pathOf(template)}/run`, {
    name: "run",
    "aria-label": `Run ${template.display_name || template.name}`,
    dataset: { focus: `run-${template.name}` },
  });
}

function ownersText(people) {
  return people.map((owner) => visible(owner.name || owner.email || "")).join(", ");
}

function fits(template, wanted) {
  const labels = Object.entries(template.labels).flat();
  const people = template.owners.flatMap((owner) => [owner.name, owner.email]);
  const text = [template.name, template.display_name, template.description, ...labels, ...people]
    .join(" ")
    .toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function nothingFound() {
  return emptyState("No template fits", h("p", {}, "Try fewer words."));
}

function nothingYet() {
  const how = may("templates.push")
    ? [
        h(
          "p",
          {},
          "A template is a runbook as a YAML file. Push your first one here, or from a terminal:",
        ),
        h("pre", {}, "opsicle templates push FILE"),
        buttonLink("Push a template", "/push", { look: "primary", name: "plus" }),
      ]
    : h("p", {}, "Ask an operator of your org to push one.");
  return emptyState("No templates yet", how);
}
