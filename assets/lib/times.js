// Times for people, in the zone and the locale that are theirs: "3 min ago" with the exact time in
// the title (or the other way round, by preference), durations that tick.

import { h } from "./dom.js";
import { LOCALE, number, t } from "./language.js";
import { whoAmI } from "./session.js";

const RELATIVE = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto", style: "short" });
const FORMATS = {
  exact: { dateStyle: "medium", timeStyle: "long" },
  short: { dateStyle: "medium", timeStyle: "short" },
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  dayName: { weekday: "short", day: "numeric", month: "short" },
  time: { hour: "2-digit", minute: "2-digit" },
  timeInZone: { hour: "2-digit", minute: "2-digit", timeZoneName: "short" },
  date: { year: "numeric", month: "2-digit", day: "2-digit" },
  parts: {
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
    hourCycle: "h23",
    calendar: "gregory",
    numberingSystem: "latn",
  },
};
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const TENTHS = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const TOLERATED_SKEW_MS = 2_000; // the Date header counts whole seconds, and the way takes time
const QUARTER_MS = 900_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const TYPED = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/;
const AGE = /^(\d{1,4})([hd])$/;
const FURTHEST_MS = Date.UTC(10_000, 0) - DAY_MS; // years have four digits where one types them

const formats = new Map();
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

/** The time zone that the person chose; undefined: that of this browser. */
function zone() {
  return whoAmI()?.display.time_zone || undefined;
}

/** A format of this name, in the person's time zone; it is made once, as that takes long. */
function format(name) {
  const timeZone = zone();
  const key = `${name} ${timeZone}`;
  if (!formats.has(key)) formats.set(key, made(name, timeZone));
  return formats.get(key);
}

function made(name, timeZone) {
  try {
    return new Intl.DateTimeFormat(LOCALE, { ...FORMATS[name], timeZone });
  } catch {
    return new Intl.DateTimeFormat(LOCALE, FORMATS[name]); // a zone that this browser does not know
  }
}

/**
 * A time such as "3 min ago" that keeps itself up to date, with the exact one in its title, or the
 * other way round if the person prefers that; `none` where there is no time.
 */
export function ago(iso, none = "–") {
  if (!iso) return h("span", { class: "muted" }, none);
  const isExact = whoAmI()?.display.times === "exact";
  const [text, title] = isExact
    ? [format("short").format(Date.parse(iso)), relativeInZone(iso)]
    : [relativeTime(iso), exactTime(iso)];
  const dataset = { relative: isExact ? "title" : "text" };
  return h("time", { datetime: iso, title, dataset }, text);
}

/** How long something took, or has taken up to now; ticks until it has an end. */
export function duration(from, to) {
  if (!from) return h("span", { class: "duration muted" }, "–");
  const title = `${exactTime(from)} – ${to ? exactTime(to) : t`now`}`;
  if (to)
    return h("span", { class: "duration", title }, durationText(Date.parse(to) - Date.parse(from)));
  return h(
    "span",
    { class: "duration", title, dataset: { since: from } },
    durationText(now() - Date.parse(from)),
  );
}

/** When something comes that is to come soon, such as "in 18 sec."; keeps itself up to date. */
export function soon(iso) {
  return h("time", { datetime: iso, title: exactTime(iso), dataset: { soon: "" } }, soonText(iso));
}

/** The day and the time of day, such as "Sun, Nov 29, 01:32 AM UTC". */
export function dayAndTime(iso) {
  const at = Date.parse(iso);
  const text = `${dayName(at)}, ${format("timeInZone").format(at)}`;
  return h("time", { class: "day-time", datetime: iso, title: exactTime(iso) }, text);
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
    if (element.dataset.relative === "text") setText(element, relativeTime(element.dateTime));
    else element.title = relativeInZone(element.dateTime);
  }
  for (const element of document.querySelectorAll("time[data-soon]"))
    setText(element, soonText(element.dateTime));
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
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.round(seconds / size), unit);
  }
  return Math.abs(seconds) < 10 ? t`just now` : RELATIVE.format(Math.round(seconds), "second");
}

/** What the title of an exact time adds to it: how long ago that is, and of which zone it is. */
function relativeInZone(iso) {
  return `${relativeTime(iso)} (${zoneName()})`;
}

function soonText(iso) {
  const seconds = Math.ceil((Date.parse(iso) - now()) / 1000);
  if (seconds <= 0) return t`any moment`;
  return seconds < 60 ? RELATIVE.format(seconds, "second") : relativeTime(iso);
}

/** "< 1 ms", "850 ms", "4.2 s", "3 min 05 s", "2 h 10 min". */
export function durationText(milliseconds) {
  const ms = Math.max(0, milliseconds);
  if (ms < 1) return "< 1 ms";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${number(Math.floor(ms / 100) / 10, TENTHS)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  return t`${Math.floor(minutes / 1_440)} d ${Math.floor((minutes % 1_440) / 60)} h`;
}

/** "45 s", "3 min", "2 h 10 min": whole seconds, without what is nothing at the end. */
export function limitText(seconds) {
  if (seconds < 60) return `${seconds} s`;
  return durationText(seconds * 1000)
    .replace(" 00 s", "")
    .replace(" 00 min", "");
}

/** When a schedule starts its template. */
export function scheduleText({ cron, every, time_zone: timeZone }) {
  return every ? t`every ${every} s` : `${cron} ${timeZone}`;
}

/** The whole date and time, for a title. */
export function exactTime(iso) {
  return format("exact").format(Date.parse(iso));
}

/** "14:03:59.120", for a line of a log. */
export function clockTime(milliseconds) {
  const fraction = String(Math.floor(milliseconds % 1000)).padStart(3, "0");
  return `${format("clock").format(milliseconds)}.${fraction}`;
}

/** "14:03", or "2:03 PM". */
export function timeOfDay(milliseconds) {
  return format("time").format(milliseconds);
}

/** "Fri, Nov 27". */
export function dayName(milliseconds) {
  return format("dayName").format(milliseconds);
}

/** The day that a time is in, to be compared with others. */
export function dayOf(milliseconds) {
  return format("date").format(milliseconds);
}

/** When the day that many days from today begins; for today, about now. Days have 23 to 25 hours. */
export function dayAfter(count) {
  let at = Math.floor(now() / QUARTER_MS) * QUARTER_MS; // zones differ by quarters of an hour
  for (let left = count, day = dayOf(at); left > 0; day = dayOf(at)) {
    at += QUARTER_MS;
    if (dayOf(at) !== day) left -= 1;
  }
  return at;
}

/** The time zone that times are shown in, such as "Europe/Berlin". */
export function zoneName() {
  return zone() ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/**
 * What a person means who types "2026-10-25T02:30" in their time zone, as ISO 8601 in UTC: the first
 * of two such times where the clocks are put back.
 */
export function instantOf(typed) {
  const meant = Date.parse(`${typed}Z`);
  const offsets = [meant - DAY_MS, meant + DAY_MS].map(offsetAt);
  const offset = offsets.find((each) => offsetAt(meant - each) === each) ?? offsets[0];
  return new Date(meant - offset).toISOString();
}

/** The person's day, as "2026-11-27". */
export function today() {
  return new Date(now() + offsetAt(now())).toISOString().slice(0, 10);
}

/**
 * What narrows a list, with `since` and `until` as instants. They may be days, which are when they
 * begin for the person, times as somebody types them, or ages such as "24h" and "7d".
 */
export function withInstants({ since, until, ...others }) {
  const times = Object.entries({ since, until }).filter(([, text]) => text);
  return { ...others, ...Object.fromEntries(times.map(([name, text]) => [name, momentOf(text)])) };
}

/** Such a text as a `datetime-local` field has it; "" for what is none. */
export function typedTime(text) {
  const at = text ? Date.parse(momentOf(text)) : NaN;
  if (!(Math.abs(at) < FURTHEST_MS)) return "";
  return new Date(at + offsetAt(at)).toISOString().slice(0, 16);
}

/** An address may hold an instant already, or what is no time: that is the server's to judge. */
function momentOf(text) {
  const [, count, unit] = AGE.exec(text) ?? [];
  if (unit) return new Date(now() - count * (unit === "h" ? HOUR_MS : DAY_MS)).toISOString();
  const typed = DAY.test(text) ? text + "T00:00" : text;
  const isTime = TYPED.test(typed) && !Number.isNaN(Date.parse(typed)); // there is no 13th month
  return isTime ? instantOf(typed) : text;
}

/** How many milliseconds the clocks of the person's zone are ahead of UTC at a time. */
function offsetAt(milliseconds) {
  const parts = format("parts").formatToParts(milliseconds);
  const { year, month, day, hour, minute, second } = Object.fromEntries(
    parts.map(({ type, value }) => [type, Number(value)]),
  );
  const there = Date.UTC(year, month - 1, day, hour, minute, second);
  return there - Math.floor(milliseconds / 1_000) * 1_000;
}

function untilText(iso) {
  const left = Date.parse(iso) - now();
  if (left <= 0) return t`expired`;
  return left < 60_000 ? `${Math.ceil(left / 1000)} s` : durationText(left);
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function pad(value) {
  return String(value).padStart(2, "0");
}
