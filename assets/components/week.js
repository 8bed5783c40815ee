// What schedules start in the next seven days, day by day.

import { get, getAll } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { dayAfter, dayName, dayOf, scheduleText, timeOfDay, zoneName } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { loadInto } from "./loading.js";
import { t } from "../lib/language.js";

const DAYS = 7;
const MOST_SCHEDULES = 30; // those that come first
const MOST_TIMES = 50; // whoever has more in a week is told of by its rule

/** A calendar of what starts by itself; `refresh()` loads it anew. */
export function weekAhead({ signal }) {
  const content = h("div", {});
  const zone = h("p", { class: "muted small" }, t`In your time zone (${zoneName()}).`);
  const title = h("h2", {}, t`The next seven days`);
  const element = h("section", { hidden: true }, title, zone, content);
  const refresh = () =>
    loadInto(content, signal, load, (found) => {
      element.hidden = !found.length;
      replace(content, often(found), days(found));
    });
  refresh();
  return { element, refresh };
}

/** The schedules that start something in this week, each with its times. */
async function load() {
  const until = dayAfter(DAYS);
  const all = await getAll("/schedules");
  const soon = all
    .filter(({ state, next_at: at }) => state === "active" && at && Date.parse(at) < until)
    .toSorted((a, b) => (a.next_at < b.next_at ? -1 : 1))
    .slice(0, MOST_SCHEDULES);
  return Promise.all(
    soon.map(async (schedule) => {
      const path = { schedule: schedule.name };
      const { next_times: times } = await get("/schedules/{schedule}/next", {
        path,
        query: { count: MOST_TIMES },
      });
      const inWeek = startsOf(schedule, times).filter(({ at }) => at < until);
      return { schedule, starts: inWeek, isOften: inWeek.length >= MOST_TIMES };
    }),
  );
}

/** The next start is known to the second. With a jitter, it and the others are put off a little. */
function startsOf(schedule, times) {
  const next = Date.parse(schedule.next_at);
  const all = times.map((at) => Date.parse(at));
  const later = all.filter((at) => at > next);
  const isFrom = !all.includes(next);
  return [{ schedule, at: next }, ...later.map((at) => ({ schedule, at, isFrom }))];
}

function often(found) {
  const names = found
    .filter(({ isOften }) => isOften)
    .map(({ schedule }) =>
      h("li", {}, h("strong", {}, visible(schedule.name)), " ", scheduleText(schedule)),
    );
  return names.length > 0 && [h("p", { class: "muted" }, t`Again and again:`), h("ul", {}, names)];
}

function days(found) {
  const starts = found
    .filter(({ isOften }) => !isOften)
    .flatMap((each) => each.starts)
    .toSorted((a, b) => a.at - b.at);
  if (!starts.length) return null;
  const columns = Array.from({ length: DAYS }, (_, i) => {
    const day = dayAfter(i);
    const here = starts.filter(({ at }) => dayOf(at) === dayOf(day));
    return dayColumn(day, here);
  });
  return h("ol", { class: "week" }, columns);
}

function dayColumn(day, starts) {
  const rows = starts.map(({ schedule, at, isFrom }) => {
    const time = timeOfDay(at);
    const name = visible(schedule.name);
    return h(
      "li",
      {},
      h("span", { class: "muted" }, isFrom ? t`from ${time}` : time),
      h("span", { class: "week-name", title: name }, name),
    );
  });
  return h(
    "li",
    { class: "week-day" },
    h("h3", {}, dayName(day)),
    rows.length ? h("ul", {}, rows) : h("p", { class: "muted small" }, t`nothing`),
  );
}
