// Times for people: "3 min ago" with the exact time in the title, durations that tick.

import { h } from "./dom.js";

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const TOLERATED_SKEW_MS = 2_000; // the Date header counts whole seconds, and the way takes time

let skewMs = 0;

/** Take the server's clock for the truth: `date` is the Date header of an answer. */
export function noteServerTime(date) {
  const difference = Date.parse(date) - Date.now();
  if (Number.isFinite(difference))
    skewMs = Math.abs(difference) > TOLERATED_SKEW_MS ? difference : 0;
}

/** Unix milliseconds by the server's clock. */
export function now() {
  return Date.now() + skewMs;
}

/** A time such as "3 min ago" that keeps itself up to date; `none` where there is no time. */
export function ago(iso, none = "–") {
  if (!iso) return h("span", { class: "muted" }, none);
  return h(
    "time",
    { datetime: iso, title: exactTime(iso), dataset: { relative: "" } },
    relativeTime(iso),
  );
}

/** How long something took, or has taken up to now; ticks until it has an end. */
export function duration(from, to) {
  if (!from) return h("span", { class: "duration muted" }, "–");
  const title = `${exactTime(from)} – ${to ? exactTime(to) : "now"}`;
  if (to)
    return h("span", { class: "duration", title }, durationText(Date.parse(to) - Date.parse(from)));
  return h(
    "span",
    { class: "duration", title, dataset: { since: from } },
    durationText(now() - Date.parse(from)),
  );
}

/** A time that counts down to `iso`, "expired" from then on. */
export function countdown(iso) {
  return h(
    "span",
    { class: "duration", title: exactTime(iso), dataset: { until: iso } },
    untilText(iso),
  );
}

/** Bring every time on the page up to date; called once a second. */
export function refreshTimes() {
  for (const element of document.querySelectorAll("time[data-relative]")) {
    setText(element, relativeTime(element.dateTime));
  }
  for (const element of document.querySelectorAll("[data-since]")) {
    setText(element, durationText(now() - Date.parse(element.dataset.since)));
  }
  for (const element of document.querySelectorAll("[data-until]"))
    setText(element, untilText(element.dataset.until));
}

/** "3 min ago", "in 2 days", "now". */
function relativeTime(iso) {
  const seconds = (Date.parse(iso) - now()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return Math.abs(seconds) < 10 ? "just now" : relative.format(Math.round(seconds), "second");
}

/** "850 ms", "4.2 s", "3 min 05 s", "2 h 10 min". */
export function durationText(milliseconds) {
  const ms = Math.max(0, milliseconds);
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  return `${Math.floor(minutes / 1_440)} d ${Math.floor((minutes % 1_440) / 60)} h`;
}

/** When a schedule starts its template. */
export function scheduleText({ cron, every, time_zone: zone }) {
  return every ? `every ${every} s` : `${cron} ${zone}`;
}

/** The whole date and time, for a title. */
export function exactTime(iso) {
  return exact.format(Date.parse(iso));
}

/** "14:03:59.120", by this browser's time zone, for a line of a log. */
export function clockTime(milliseconds) {
  return `${clock.format(milliseconds)}.${String(Math.floor(milliseconds % 1000)).padStart(3, "0")}`;
}

function untilText(iso) {
  const left = Date.parse(iso) - now();
  return left > 0 ? durationText(Math.ceil(left / 1000) * 1000).replace(".0 s", " s") : "expired";
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function pad(number) {
  return String(number).padStart(2, "0");
}
