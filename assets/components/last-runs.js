// How each template's newest automations went: the last one as a link, all of them as a strip.

import { getAll } from "../lib/api.js";
import { h, svg } from "../lib/dom.js";
import { ago, durationText, exactTime } from "../lib/times.js";
import { isFinal, stateBadge, stateText } from "./states.js";
import { listText, t } from "../lib/language.js";

/** How many runs a list has of each template, at most. */
export const RUNS_LISTED = 30;

const STEP = 5; // one bar and the gap behind it
const BAR = 3.5;
const HEIGHT = 24;
const LOWEST = 4; // of a bar, so that what took no time is seen too

/** The newest automations of each template, newest first, by the template's name. */
export async function recentRuns({ signal }) {
  const found = await getAll("/recent-runs", { signal });
  return new Map(found.map(({ template, runs }) => [template, runs]));
}

/** A template's last run as a link to it. */
export function lastRun(run) {
  if (!run) return h("span", { class: "last-run" }, t`no run yet`);
  return h(
    "a",
    { class: "last-run", href: `/automations/${run.id}` },
    stateBadge(run.state),
    ago(run.created_at),
  );
}

const RATED = ["succeeded", "failed", "timed_out"];

/** How many of those that went well or wrong have succeeded, from 0 to 1; null where none has. */
export function successRate(runs) {
  const over = runs.filter(({ state }) => RATED.includes(state));
  if (!over.length) return null;
  return over.filter(({ state }) => state === "succeeded").length / over.length;
}

/** What the rate of success does not count, such as "without 2 cancelled"; "" if it counts all. */
export function leftOutOfRate(runs) {
  const others = countsByState(runs.filter(({ state }) => !RATED.includes(state)));
  return others.length > 0 && t`without ${listText(others)}`;
}

/** How long those that have succeeded mostly took, in seconds; null where none has. */
export function usualSeconds(runs) {
  const seconds = runs
    .filter((run) => run.state === "succeeded" && run.seconds !== null)
    .map((run) => run.seconds)
    .toSorted((a, b) => a - b);
  return seconds.length ? seconds[Math.floor(seconds.length / 2)] : null;
}

/**
 * The runs as bars, the newest at the right: a bar is as high as the run took long, its colour and
 * shape say how it ended. What the bars say together is said to screen readers.
 */
export function runStrip(runs) {
  const longest = Math.max(...runs.map(({ seconds }) => seconds ?? 0), 0.001);
  const bars = runs.slice(0, RUNS_LISTED).map((run, i) => bar(run, RUNS_LISTED - 1 - i, longest));
  const width = RUNS_LISTED * STEP - (STEP - BAR);
  return svg(
    "svg",
    {
      class: "run-strip",
      viewBox: `0 0 ${width} ${HEIGHT}`,
      width,
      height: HEIGHT,
      role: "img",
      "aria-label": stripText(runs),
    },
    svg("path", { class: "run-strip-ground", d: `M0 ${HEIGHT - 0.5}H${width}` }),
    bars,
  );
}

function bar({ state, seconds, created_at: at }, place, longest) {
  const height = LOWEST + Math.sqrt((seconds ?? 0) / longest) * (HEIGHT - LOWEST);
  const when = exactTime(at);
  const took = seconds === null ? "" : `, ${durationText(seconds * 1_000)}`;
  return svg(
    "rect",
    {
      class: `run-bar state-${state}`,
      x: place * STEP,
      y: (HEIGHT - height).toFixed(1),
      width: BAR,
      height: height.toFixed(1),
      rx: isFinal(state) ? 1 : 2,
    },
    svg("title", {}, `${stateText(state)}${took}, ${when}`),
  );
}

function stripText(runs) {
  if (!runs.length) return t`It has never run.`;
  return t`The last ${runs.length}: ${listText(countsByState(runs))}`;
}

function countsByState(runs) {
  const counts = Map.groupBy(runs, ({ state }) => state);
  return [...counts].map(([state, all]) => `${all.length} ${stateText(state)}`);
}
