// What the page "Home" is made of: panels of rows, each of which leads to what it is about.

import { h, replace } from "../lib/dom.js";
import { showList } from "../lib/keyed.js";
import { inOrg } from "../lib/org-address.js";
import { queryText } from "../lib/query.js";
import { pathOf } from "../lib/templates.js";
import { ago, duration, durationText } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { loading } from "./headings.js";
import { leftOutOfRate, runStrip, successRate, usualSeconds } from "./last-runs.js";
import { phaseStrip } from "./phase-strip.js";
import { stateDot, stateText } from "./states.js";
import { whatRuns } from "./targets.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";

/**
 * A panel with a heading: `row(item)` gives a link for an item, `nothing` is said where there is
 * none, `more` is [text, href] of a link to all. Gives { element, show(items, most), say(text) }: all
 * are counted, unless the heading would make it a count of something else, and `most` of them shown; `text` is said where there is none from then on.
 */
export function panel(
  title,
  { row, nothing, more, heads, key = (item) => item.id, look = "", isCounted = true },
) {
  const list = h("ul", { "aria-label": title });
  const count = h("span", { class: "tile-count muted" });
  const empty = h("p", { class: "tile-empty muted", hidden: true }, nothing);
  const wait = loading();
  const link = more && h("a", { class: "tile-more", href: more[1] }, more[0]);
  const element = h(
    "section",
    { class: `tile ${look}` },
    h("header", { class: "tile-head" }, h("h2", {}, title), count, link),
    heads,
    list,
    wait,
    empty,
  );
  const show = (items, most) => {
    showList(list, items.slice(0, most), key, (item) => h("li", {}, row(item)));
    replace(count, isCounted && items.length > 0 && String(items.length));
    wait.remove();
    empty.hidden = items.length > 0;
    if (heads) heads.hidden = items.length === 0;
  };
  return { element, show, say: (text) => replace(empty, text) };
}

function tileRow(href, ...content) {
  return h("a", { class: "tile-row", href, dataset: { focus: href } }, content);
}

function what(title, ...facts) {
  return h("span", { class: "tile-what" }, h("strong", {}, visible(title)), facts);
}

function side(...content) {
  return h("span", { class: "tile-side" }, content);
}

function person({ name, email }) {
  return visible(name || email);
}

const KINDS = {
  run: (who) => t`${who} wants to run it`,
  pause: (who, phase) => t`${who} pauses at ${phase}`,
  failure: (who, phase) => t`${who} failed at ${phase}, and asks how to go on`,
};

/** An approval that the person may decide on. */
export function approvalRow({ id, template, kind, phase, reason, requester, asked_at: at }) {
  const asks = h("span", {}, KINDS[kind](person(requester), phase && visible(phase)));
  const why = reason && h("span", {}, visible(reason));
  return tileRow(
    `/approvals/${id}`,
    stateDot("awaiting_approval"),
    what(template, asks, why),
    side(ago(at)),
  );
}

/** An automation that has begun. */
export function runningRow(automation) {
  const { id, state, template, reason, worker, started_at: at, requester, phases } = automation;
  const facts = [person(requester), worker && t`on ${visible(worker.name)}`, visible(reason)];
  const text = facts.filter(Boolean).join(" · ");
  return tileRow(
    `/automations/${id}`,
    stateDot(state),
    what(template, h("span", {}, text)),
    side(phaseStrip(phases), duration(at)),
  );
}

/**
 * An automation that has failed, with the line at which it did once `findLine()` has it (of the
 * part for one machine that it says, if any), and a way to the `more` of its template that ended so.
 */
export function failedRow(automation) {
  const { id, state, template, explanation, finished_at: at, more, isOwn } = automation;
  const why = visible(said(explanation));
  const code = h("code", { class: "tile-line" }, "…");
  const others = `/automations${queryText({ state, template })}`;
  const row = tileRow(
    `/automations/${id}`,
    stateDot(state),
    h(
      "span",
      { class: "tile-what" },
      h("strong", {}, visible(whatRuns(automation))),
      h("span", {}, isOwn ? t`Your run ended badly: ${why}` : why),
    ),
    code,
    side(ago(at)),
  );
  showLine(automation.findLine(), code, row);
  if (!more) return row;
  const text = t`${more} more ${stateText(state)}`;
  const name = `${text}: ${visible(template)}`;
  return [row, h("a", { class: "tile-others", href: others, "aria-label": name }, text)];
}

async function showLine(found, code, row) {
  const line = await found;
  if (!line) {
    code.remove();
    return;
  }
  code.textContent = `${line.number}  ${line.text}`;
  if (line.part) row.pathname = inOrg(`/automations/${line.part}`);
  row.hash = `L${line.number}`;
}

/** What the figures of `templateRow` are; read out, each has a title. */
export function templateHeads() {
  return h(
    "div",
    { class: "health-heads muted", hidden: true, "aria-hidden": "true" },
    h("span", { class: "health-rate" }, t`succeeded`),
    h("span", { class: "health-time" }, t`usually`),
  );
}

/** A template with how its last runs went. */
export function templateRow({ name, title, runs }) {
  const rate = successRate(runs);
  const usual = usualSeconds(runs);
  const rateText = rate === null ? "–" : `${Math.round(rate * 100)} %`;
  const tone = rate === null || rate === 1 ? "muted" : "";
  const rated = [t`succeeded`, leftOutOfRate(runs)].filter(Boolean).join(", ");
  return h(
    "a",
    { class: "tile-row health", href: pathOf({ name }), dataset: { focus: name } },
    what(title),
    runStrip(runs),
    h("span", { class: `health-rate ${tone}`, title: rated }, rateText),
    h(
      "span",
      { class: "health-time muted", title: t`took, mostly` },
      usual === null ? "–" : durationText(usual * 1_000),
    ),
  );
}

/** A worker with its slots. */
export function workerRow({
  name,
  state,
  is_connected: isHere,
  withheld,
  busy,
  slots,
  last_seen_at: seen,
}) {
  const says = {
    away: ["is-away", seen ? t`last seen ${ago(seen)}` : t`never seen`],
    withheld: ["is-away", t`gets no work`],
    draining: ["is-draining", t`draining`],
    here: ["is-here", t`${busy} of ${slots} busy`],
  };
  const how = !isHere ? "away" : withheld ? "withheld" : state === "draining" ? "draining" : "here";
  const [look, text] = says[how];
  return tileRow(
    `/workers/${encodeURIComponent(name)}`,
    h("span", { class: `presence ${look}`, "aria-hidden": "true" }),
    what(name),
    side(text),
  );
}
