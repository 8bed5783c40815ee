// How a template's newest automations went: how many succeeded, how long they took, one by one.

import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { setQuery } from "../lib/router.js";
import { ago, durationText, exactTime, withInstants } from "../lib/times.js";
import { busyWhile, button } from "./buttons.js";
import { emptyState } from "./headings.js";
import { leftOutOfRate, successRate, usualSeconds } from "./last-runs.js";
import { column, rowOf, tableOf } from "./list-table.js";
import { loadInto } from "./loading.js";
import { spanFilter } from "./span-filter.js";
import { stateBadge, stateText } from "./states.js";
import { t } from "../lib/language.js";

const MOST_ROWS = 10;
const NONE_WITHIN = t`No run within this time`;

const COLUMNS = [
  column(t`State`, ({ state }) => stateBadge(state)),
  column(t`Triggered`, ({ created_at: at }) => ago(at)),
  column(t`Took`, ({ seconds }) => tookText(seconds), { isNumber: true }),
  column(t`Version`, ({ version }) => version),
];

/**
 * Numbers, a chart with a bar for each run, and the newest of them as a list with links: of the span
 * that the `query` of the address names.
 */
export function historyView({ name }, query, signal) {
  const all = h("a", {}, t`All runs`);
  const links = [{ link: all, path: "/automations", parameters: { template: name } }];
  const span = spanFilter(query, links);
  const place = h("div", {});
  const load = (cursor) =>
    get("/templates/{name}/recent-runs", {
      path: { name },
      query: { ...withInstants(span.values()), cursor },
      signal,
    });
  const draw = (runs, next) =>
    replace(place, runsView(runs, !next, span.values()), earlier(runs, next));
  const earlier = (runs, next) => {
    if (!next) return null;
    const more = button(t`Show earlier runs`, {
      onclick: () =>
        busyWhile(more, async () => {
          const found = await load(next);
          if (more.isConnected) draw([...runs, ...found.runs], found.next_cursor);
        }),
    });
    return h("div", { class: "pager" }, more);
  };
  const show = () =>
    loadInto(place, signal, load, ({ runs, next_cursor: next }) => draw(runs, next));
  span.listen(() => {
    setQuery({ ...Object.fromEntries(new URLSearchParams(location.search)), ...span.values() });
    show();
  });
  show();
  return [h("div", { class: "toolbar" }, span.element), place, h("p", {}, all)];
}

function runsView(runs, isAll, { since, until }) {
  if (!runs.length) return emptyState(since || until ? NONE_WITHIN : t`It has never run`);
  const rows = runs.slice(0, MOST_ROWS).map((run) => {
    const label = `${stateText(run.state)}, ${exactTime(run.created_at)}`;
    return rowOf(COLUMNS, run, { name: label, href: `/automations/${run.id}` });
  });
  return [
    numbers(runs, isAll),
    chart(runs),
    h("p", { class: "muted small" }, whatChartShows(runs)),
    h("h2", {}, t`Newest runs`),
    tableOf(COLUMNS, h("tbody", { role: "rowgroup" }, rows), { label: t`Newest runs` }),
  ];
}

function numbers(runs, isAll) {
  const rate = successRate(runs);
  const usual = usualSeconds(runs);
  const took = runs.map(({ seconds }) => seconds ?? 0);
  const facts = [
    [t`succeeded`, rate === null ? "–" : `${Math.round(rate * 100)} %`, leftOutOfRate(runs)],
    [t`usually took`, tookText(usual)],
    [t`took at most`, tookText(Math.max(...took) || null)],
    [t`looked at`, lookedAt(runs.length, isAll)],
  ];
  return h(
    "dl",
    { class: "numbers" },
    facts.map(([term, value, remark]) =>
      h(
        "div",
        {},
        h("dt", {}, term),
        h("dd", {}, value, remark && h("span", { class: "muted small" }, " ", remark)),
      ),
    ),
  );
}

function lookedAt(count, isAll) {
  if (!isAll) return t`the newest ${count} runs`;
  return count === 1 ? t`the only run` : t`all ${count} runs`;
}

/** The oldest at the left. What it shows stands in the numbers and in the list as well. */
function chart(runs) {
  const longest = Math.max(...runs.map(({ seconds }) => seconds ?? 0), 0.001);
  const usual = usualSeconds(runs);
  const ordered = runs.toReversed();
  const bars = ordered.map((run, i) => bar(run, longest, ordered[i - 1]));
  return h(
    "div",
    { class: "history", "aria-hidden": "true" },
    h("span", { class: "history-scale" }, durationText(longest * 1_000)),
    h(
      "div",
      { class: "history-bars" },
      usual !== null &&
        h("span", { class: "history-usual", style: { "--part": (usual / longest).toFixed(3) } }),
      bars,
    ),
  );
}

function whatChartShows(runs) {
  const hasNewVersion = runs.some(({ version }) => version !== runs[0].version);
  return [
    t`A bar for each run, the newest at the right: its height is how long it took.`,
    hasNewVersion && [" ", t`From a dotted line on it was another version.`],
  ];
}

function bar({ id, state, seconds, version, created_at: at }, longest, before) {
  const isFirst = before !== undefined && before.version !== version;
  const title = t`${stateText(state)}, ${tookText(seconds)}, version ${version}, ${exactTime(at)}`;
  return h(
    "a",
    {
      class: isFirst ? "history-bar is-new-version" : "history-bar",
      href: `/automations/${id}`,
      tabindex: "-1",
      title,
      style: { "--part": ((seconds ?? 0) / longest).toFixed(3) },
    },
    h("span", { class: `run-bar state-${state}` }),
  );
}

function tookText(seconds) {
  return seconds === null ? "–" : durationText(seconds * 1_000);
}
