// The runbooks: find the right one and run it.

import { buttonLink } from "../components/buttons.js";
import { input } from "../components/fields.js";
import { emptyState, loading, pageHeading } from "../components/headings.js";
import { lastRun, lastRuns } from "../components/last-runs.js";
import { keepFresh } from "../components/live.js";
import { getAll } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { showList } from "../lib/keyed.js";
import { setQuery } from "../lib/router.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root, { query }) {
  const page = new AbortController();
  const search = input({
    type: "search",
    placeholder: "Search by name, text, owner or label",
    "aria-label": "Search templates",
    value: query.get("q") ?? "",
  });
  const list = h("ul", { class: "rows template-rows" });
  const message = h("div", {}, loading());
  const trouble = h("div", {});
  let all = [];
  const show = () => {
    const found = all.filter(({ template }) => fits(template, search.value));
    showList(list, found, ({ template }) => template.name, row);
    message.replaceChildren(...(found.length ? [] : [all.length ? nothingFound() : nothingYet()]));
  };
  const live = keepFresh(
    async () => {
      const [templates, runs] = await Promise.all([getAll("/templates", page), lastRuns(page)]);
      all = templates.map((template) => ({ template, run: runs.get(template.name) ?? null }));
      show();
    },
    { trouble, signal: page.signal },
  );
  search.addEventListener("input", () => {
    setQuery({ q: search.value });
    show();
  });
  const push = may("templates.push") && buttonLink("Push a template", "/push", { name: "plus" });
  root.append(
    pageHeading("Templates", { beside: live.mark, actions: push }),
    h("div", { class: "toolbar" }, search),
    trouble,
    list,
    message,
  );
  return () => page.abort();
}

function row({ template, run }) {
  const path = `/templates/${encodeURIComponent(template.name)}`;
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
