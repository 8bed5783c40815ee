// The runbooks: find the right one and run it.

import { buttonLink } from "../components/buttons.js";
import { searchFilter } from "../components/filters.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { lastRun, lastRuns } from "../components/last-runs.js";
import { List } from "../components/list.js";
import { getAll } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { pathOf } from "../lib/templates.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root, { title, query }) {
  const page = new AbortController();
  const list = new List({
    label: title,
    load: () => load(page),
    look: "rows template-rows",
    row,
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

/** Every template with its last run. */
async function load({ signal }) {
  const [templates, runs] = await Promise.all([
    getAll("/templates", { signal }),
    lastRuns({ signal }),
  ]);
  const items = templates.map((template) => ({ template, run: runs.get(template.name) ?? null }));
  return { items, next_cursor: "" };
}

function row({ template, run }) {
  const path = pathOf(template);
  const title = template.display_name || template.name;
  const description = template.description || template.labels["opsicle.io/description"] || "";
  return h(
    "li",
    { class: "row" },
    h(
      "div",
      { class: "row-main" },
      h(
        "a",
        { class: "row-title", href: path, dataset: { focus: `title-${template.name}` } },
        visible(title),
      ),
      title !== template.name && h("code", { class: "muted" }, template.name),
      template.needs_approval && h("span", { class: "fact" }, "needs approval"),
      description && h("p", { class: "row-text" }, visible(description)),
      h(
        "p",
        { class: "row-facts" },
        owners(template.owners),
        `version ${template.version}, `,
        ago(template.updated_at),
      ),
    ),
    h("div", { class: "row-side" }, lastRun(run)),
    may("automations.create") &&
      buttonLink("Run", `${path}/run`, {
        look: "primary",
        name: "run",
        "aria-label": `Run ${title}`,
        dataset: { focus: `run-${template.name}` },
      }),
  );
}

function owners(people) {
  if (!people.length) return "";
  return `${people.map((owner) => visible(owner.name || owner.email || "")).join(", ")} · `;
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
