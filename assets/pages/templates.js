// The runbooks: find the right one and run it.

import { buttonLink, iconButton } from "../components/buttons.js";
import { chipsFilter, manyChipsFilter, searchFilter } from "../components/filters.js";
import { commandLine } from "../components/command-line.js";
import { OPERATORS } from "../components/first-one.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { lastRun, recentRuns, runStrip } from "../components/last-runs.js";
import { actionsColumn, column, List } from "../components/list.js";
import { getAll } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { favourites, setFavourite } from "../lib/favourites.js";
import { number, plural, t } from "../lib/language.js";
import { may } from "../lib/session.js";
import { pathOf } from "../lib/templates.js";
import { visible } from "../lib/visible.js";

const MOST_LABELS = 16; // the commonest; what is rarer is found by the search

export function mount(root, { title, query }) {
  const page = new AbortController();
  const labels = manyChipsFilter({ name: "labels", label: t`Labels`, value: query.get("labels") });
  const list = new List({
    label: title,
    load: async () => {
      const items = await load(page);
      labels.offer(commonest(items.flatMap(({ template }) => labelsOf(template))));
      return { items, next_cursor: "" };
    },
    look: "template-rows",
    columns: columns((name, isMarked) => (setFavourite(name, isMarked), list.reload())),
    bulk: MARK_SEVERAL,
    link: ({ template }) => pathOf(template),
    nameOf: ({ template }) => template.name,
    key: ({ template }) => template.name,
    filters: [
      searchFilter({
        name: "q",
        placeholder: t`Search by name, text, owner or label`,
        "aria-label": t`Search templates`,
        value: query.get("q"),
        isInstant: true,
      }),
      chipsFilter({
        name: "favourites",
        label: t`Which templates`,
        value: query.get("favourites"),
        choices: [
          { value: "", content: t`All` },
          { value: "only", content: t`Favourites` },
        ],
      }),
      labels,
    ],
    fits,
    empty: (isNarrowed) => (isNarrowed ? nothingFound() : nothingYet()),
    isLive: true,
    signal: page.signal,
  });
  const push = may("templates.push") && buttonLink(t`Push a template`, "/push", { name: "plus" });
  root.append(pageHeading(title, { beside: list.mark, actions: push }), list.element);
  return () => page.abort();
}

/** Every template with its newest runs, those first that the person has marked. */
async function load({ signal }) {
  const [templates, runs] = await Promise.all([
    getAll("/templates", { signal }),
    may("automations.view") ? recentRuns({ signal }) : new Map(),
  ]);
  const marked = favourites();
  const items = templates.map((template) => ({
    template,
    runs: runs.get(template.name) ?? [],
    isFavourite: marked.has(template.name),
  }));
  return items.toSorted((a, b) => b.isFavourite - a.isFavourite);
}

const MARK_SEVERAL = [
  {
    text: t`Mark as favourites`,
    isHarmless: true,
    run: ({ template }) => setFavourite(template.name, true),
    said: (count) =>
      plural(count, { one: t`1 favourite marked`, other: t`${number(count)} favourites marked` }),
  },
  {
    text: t`No longer favourites`,
    isHarmless: true,
    run: ({ template }) => setFavourite(template.name, false),
    said: (count) =>
      plural(count, {
        one: t`1 is no favourite any more`,
        other: t`${number(count)} are no favourites any more`,
      }),
  },
];

function labelsOf({ labels }) {
  const own = Object.entries(labels).filter(([key]) => !key.startsWith("opsicle.io/"));
  return own.map(([key, value]) => `${key}=${value}`);
}

function commonest(texts) {
  const counts = new Map();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  const all = [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return all.slice(0, MOST_LABELS).map(([text]) => text);
}

const columns = (mark) => [
  column(t`Template`, ({ template }) => {
    const { name, display_name: title, description, labels } = template;
    const text = description || labels["opsicle.io/description"];
    return [
      h("strong", {}, visible(title || name)),
      title && title !== name && h("div", { class: "muted" }, h("code", {}, name)),
      template.needs_approval && h("div", {}, h("span", { class: "fact" }, t`needs approval`)),
      text && h("div", { class: "muted small" }, visible(text)),
    ];
  }),
  column(t`Owners`, ({ template }) => ownersText(template.owners) || "–", { isMinor: true }),
  column(t`Last 30 runs`, ({ runs }) => runStrip(runs), { isMinor: true }),
  column(t`Last run`, ({ runs }) => lastRun(runs[0])),
  // in one, as more than one would go into a menu
  actionsColumn((item) =>
    h(
      "span",
      { class: "template-actions" },
      star(item, mark),
      may("automations.create") && runLink(item.template),
    ),
  ),
];

function star({ template: { name, display_name: title }, isFavourite }, mark) {
  const shape = isFavourite ? "starred" : "star";
  return iconButton(shape, t`Favourite: ${title || name}`, () => mark(name, !isFavourite), {
    "aria-pressed": String(isFavourite),
    dataset: { focus: `star-${name}` },
  });
}

function runLink(template) {
  return buttonLink(t`Run`, `${pathOf(template)}/run`, {
    name: "run",
    "aria-label": t`Run ${template.display_name || template.name}`,
    dataset: { focus: `run-${template.name}` },
  });
}

function ownersText(people) {
  return people.map((owner) => visible(owner.name || owner.email || "")).join(", ");
}

function fits({ template, isFavourite }, { q, labels, favourites: which }) {
  if (which && !isFavourite) return false;
  const own = labelsOf(template);
  const wanted = labels.split(",").filter(Boolean);
  return wanted.every((label) => own.includes(label)) && hasWords(template, q);
}

function hasWords(template, wanted) {
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
  return emptyState(t`No template fits`, h("p", {}, t`Try fewer words, or other filters.`));
}

function nothingYet() {
  const what = h("p", {}, t`A template is a runbook as a YAML file, to be run with a form.`);
  const how = may("templates.push")
    ? [
        buttonLink(t`Push a template`, "/push", { look: "primary", name: "plus" }),
        h("p", { class: "muted" }, t`Or in a terminal:`),
        commandLine("opsicle templates push FILE"),
      ]
    : h("p", { class: "muted" }, OPERATORS);
  return emptyState(t`No templates yet`, what, how);
}
