// What runs, what waits, what ran: newest first, live.

import { input } from "../components/fields.js";
import { emptyState, loading, pageHeading } from "../components/headings.js";
import { buttonLink } from "../components/buttons.js";
import { keepFresh } from "../components/live.js";
import { isFinal, stateBadge, stateDot, STATES, stateText } from "../components/states.js";
import { get, getAll, withQuery } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { showList } from "../lib/keyed.js";
import { setQuery } from "../lib/router.js";
import { ago, duration } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const PAUSE_MS = 300;

export function mount(root, { query }) {
  const page = new AbortController();
  const filter = {
    state: query.get("state") ?? "",
    template: query.get("template") ?? "",
    cursor: query.get("cursor") ?? "",
  };
  const list = h("ul", { class: "rows automation-rows" });
  const message = h("div", {}, loading());
  const pager = h("nav", { class: "pager", "aria-label": "Pages" });
  const trouble = h("div", {});
  const reload = async () => {
    const asked = withQuery("/automations", filter);
    const { items, next_cursor: older } = await get(asked, page);
    if (asked !== withQuery("/automations", filter)) return; // the filter has changed meanwhile
    showList(list, items, (automation) => automation.id, row);
    replace(message, items.length ? [] : empty(filter));
    replace(pager, pages(filter, older));
  };
  const live = keepFresh(reload, { trouble, signal: page.signal });
  const changed = () => {
    filter.cursor = "";
    setQuery(filter);
    live.refresh();
  };
  root.append(
    pageHeading("Automations", {
      beside: live.mark,
      actions: buttonLink("Run a template", "/templates", { look: "primary", name: "run" }),
    }),
    h(
      "div",
      { class: "toolbar" },
      stateFilter(filter, changed),
      templateFilter(filter, changed, page),
    ),
    trouble,
    list,
    message,
    pager,
  );
  return () => page.abort();
}

function stateFilter(filter, changed) {
  const group = h("div", { class: "chips", role: "group", "aria-label": "State" });
  const draw = () => {
    for (const chip of group.children)
      chip.setAttribute("aria-pressed", String(chip.dataset.state === filter.state));
  };
  const chip = (state) =>
    h(
      "button",
      {
        type: "button",
        class: "chip",
        dataset: { state },
        onclick: () => ((filter.state = state), draw(), changed()),
      },
      state && stateDot(state),
      h("span", { "aria-hidden": state ? "true" : null }, state ? stateText(state) : "all"),
    );
  replace(group, chip(""), STATES.map(chip));
  draw();
  return group;
}

function templateFilter(filter, changed, page) {
  const names = h("datalist", { id: "template-names" });
  const element = input({
    type: "search",
    placeholder: "Any template",
    "aria-label": "Template, by its whole name",
    value: filter.template,
    class: "input medium",
    list: names.id,
  });
  getAll("/templates", page).then(
    (templates) =>
      replace(
        names,
        templates.map(({ name }) => h("option", { value: name })),
      ),
    () => {}, // one can still type the name
  );
  let timer = 0;
  element.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => ((filter.template = element.value.trim()), changed()), PAUSE_MS);
  });
  return [element, names];
}

function row(automation) {
  const path = `/automations/${automation.id}`;
  return h(
    "li",
    { class: "row" },
    h(
      "div",
      { class: "row-state" },
      stateBadge(automation.state, isCancelling(automation) ? "(cancelling)" : ""),
    ),
    h(
      "div",
      { class: "row-main" },
      h(
        "a",
        { class: "row-title", href: path, dataset: { focus: automation.id } },
        automation.template,
      ),
      automation.reason && h("span", { class: "row-reason" }, visible(automation.reason)),
      remark(automation) && h("p", { class: "row-text" }, visible(remark(automation))),
    ),
    h(
      "div",
      { class: "row-facts row-side" },
      h("span", {}, visible(automation.requester.name || automation.requester.email)),
      automation.worker && h("span", {}, "on ", visible(automation.worker.name)),
      ago(automation.created_at),
      h(
        "span",
        { class: "row-duration" },
        automation.started_at ? duration(automation.started_at, automation.finished_at) : "",
      ),
    ),
  );
}

function isCancelling(automation) {
  return automation.is_cancel_requested && !isFinal(automation.state);
}

function remark({ waiting_reason: waiting, explanation }) {
  return waiting ? `Waits: ${waiting}` : explanation;
}

function empty(filter) {
  if (filter.state || filter.template)
    return emptyState(
      "No automation fits",
      h("p", {}, "Choose another state, or another template by its whole name."),
    );
  return emptyState(
    "Nothing has run yet",
    h("p", {}, "Choose a template and run it; what it does shows up here, live."),
    buttonLink("To the templates", "/templates", { look: "primary" }),
  );
}

function pages(filter, older) {
  const { state, template, cursor } = filter;
  return [
    cursor && buttonLink("Newest", withQuery("/automations", { state, template })),
    older && buttonLink("Older", withQuery("/automations", { state, template, cursor: older })),
  ];
}
