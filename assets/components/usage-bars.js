// How much of a quota is used, and how much there was on each day, as bars.

import { h } from "../lib/dom.js";
import { number, t } from "../lib/language.js";
import { dayName, now } from "../lib/times.js";

const DAYS = 30;
const DAY_MS = 86_400_000;
const NEARLY = 0.8; // from this share on it is time to do something

/**
 * What is used of at most so much; `most` of null is any number, and has no bar. `text` makes words
 * of either, `help` says what happens when it is used up.
 */
export function usageBar({ name, used, most, text, help }) {
  const share = most ? Math.min(used / most, 1) : 0;
  const said = most ? t`${text(used)} of ${text(most)}` : text(used);
  return h(
    "div",
    { class: "usage" },
    h("div", { class: "usage-head" }, h("h3", {}, name), h("span", {}, said, percent(share, most))),
    most && meter(name, share, said),
    h("p", { class: "help" }, help),
  );
}

function percent(share, most) {
  return most && h("span", { class: "muted" }, ` · ${number(Math.floor(share * 100))} %`);
}

function meter(name, share, said) {
  const look = share >= 1 ? "is-full" : share >= NEARLY ? "is-nearly" : "";
  const facts = { "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuetext": said };
  return h(
    "div",
    {
      class: `usage-bar ${look}`,
      role: "meter",
      "aria-label": name,
      "aria-valuenow": String(Math.floor(share * 100)),
      style: { "--share": `${share * 100}%` },
      ...facts,
    },
    h("span", {}),
  );
}

/**
 * A bar for each of the last 30 days in UTC, with a scale; `days` are those on which there was
 * something.
 */
export function dayBars(days) {
  const counts = new Map(days.map(({ day, automations }) => [day, automations]));
  const top = roundTop(Math.max(1, ...counts.values()));
  const noons = Array.from({ length: DAYS }, (_, i) => noonOf(now() - (DAYS - 1 - i) * DAY_MS));
  const bars = noons.map((noon) => bar(noon, counts.get(dayOf(noon)) ?? 0, top));
  const ends = [noons[0], noons.at(-1)].map((noon) => h("span", {}, dayName(noon)));
  return h(
    "div",
    { class: "day-chart" },
    h("p", { class: "muted small", "aria-hidden": "true" }, t`Automations of each day`),
    h("div", { class: "day-scale muted small", "aria-hidden": "true" }, scale(top)),
    h("ol", { class: "day-bars", "aria-label": t`Automations of each day` }, bars),
    h("div", { class: "day-ends muted small", "aria-hidden": "true" }, ends),
  );
}

function dayOf(at) {
  return new Date(at).toISOString().slice(0, 10);
}

function noonOf(at) {
  return Date.parse(`${dayOf(at)}T12:00:00Z`);
}

/** The least of 1, 2, 4, 10, 20, 40, … that is not below `most`: its half is a whole number too. */
function roundTop(most) {
  const ten = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 10].map((step) => step * ten).find((top) => top >= most);
}

function scale(top) {
  const lines = top > 1 ? [top, top / 2, 0] : [top, 0];
  return lines.map((line) => h("span", {}, number(line)));
}

function bar(noon, count, most) {
  const text = t`${dayName(noon)}: ${number(count)}`;
  const height = count ? Math.max((count / most) * 100, 3) : 0;
  return h(
    "li",
    { title: text, style: { "--share": `${height}%` } },
    h("span", { class: "day-bar", "aria-hidden": "true" }),
    h("span", { class: "unseen" }, text),
  );
}
