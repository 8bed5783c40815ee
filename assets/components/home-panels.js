// What the page "Home" is made of: panels of rows, each of which leads to what it is about.

import { h, replace } from "../lib/dom.js";
import { showList } from "../lib/keyed.js";
import { pathOf } from "../lib/templates.js";
import { ago, duration, durationText } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { loading } from "./headings.js";
import { runStrip, successRate, usualSeconds } from "./last-runs.js";
import { stateDot } from "./states.js";
import { whatRuns } from "./targets.js";

/**
 * A panel with a heading: `row(item)` gives a link for an item, `nothing` is said where there is
 * none, `more` is [text, href] of a link to all. They are counted where `most` is given, how many
 * are shown at most. Gives { element, show(items) }.
 */
export function panel(title, { row, nothing, more, most, key = (item) => item.id, look = "" }) {
  const list = h("ul", { "aria-label": title });
  const count = h("span", { class: "tile-count muted" });
  const empty = h("p", { class: "tile-empty muted", hidden: true }, nothing);
  const wait = loading();
  const link = more && h("a", { class: "tile-more", href: more[1] }, more[0]);
  const element = h(
    "section",
    { class: `tile ${look}` },
    h("header", { class: "tile-head" }, h("h2", {}, title), count, link),
    list,
    wait,
    empty,
  );
  const show = (items) => {
    showList(list, items, key, (item) => h("li", {}, row(item)));
    replace(count, items.length > 0 && most && countText(items.length, most));
    wait.remove();
    empty.hidden = items.length > 0;
  };
  return { element, show };
}

function countText(count, most) {
  return count < most ? String(count) : `${most} or more`;
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
  run: () => "wants to run it",
  pause: (phase) => `pauses at ${visible(phase)}`,
  failure: (phase) => `failed at ${visible(phase)}, and asks how to go on`,
};

/** An approval that the person may decide on. */
export function approvalRow({ id, template, kind, phase, reason, requester, asked_at: at }) {
  const asks = h("span", {}, `${person(requester)} ${KINDS[kind](phase)}`);
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
  const { id, state, reason, worker, started_at: at, requester } = automation;
  const facts = [person(requester), worker && `on ${visible(worker.name)}`, visible(reason)];
  const text = facts.filter(Boolean).join(" · ");
  return tileRow(
    `/automations/${id}`,
    stateDot(state),
    what(whatRuns(automation), h("span", {}, text)),
    side(duration(at)),
  );
}

/** An automation that has failed, with the last `line` that it printed, if that is known. */
export function failedRow(automation) {
  const { id, state, explanation, finished_at: at, line } = automation;
  const href = `/automations/${id}${line ? `#L${line.number}` : ""}`;
  return tileRow(
    href,
    stateDot(state),
    h(
      "span",
      { class: "tile-what" },
      h("strong", {}, visible(whatRuns(automation))),
      h("span", {}, visible(explanation)),
      line && h("code", { class: "tile-line" }, `${line.number}  ${line.text}`),
    ),
    side(ago(at)),
  );
}

/** A template with how its last runs went. */
export function templateRow({ name, title, runs }) {
  const rate = successRate(runs);
  const usual = usualSeconds(runs);
  const rateText = rate === null ? "–" : `${Math.round(rate * 100)} %`;
  const tone = rate === null || rate === 1 ? "muted" : "";
  return h(
    "a",
    { class: "tile-row health", href: pathOf({ name }), dataset: { focus: name } },
    what(title),
    runStrip(runs),
    h("span", { class: `health-rate ${tone}`, title: "succeeded" }, rateText),
    h(
      "span",
      { class: "health-time muted", title: "took, mostly" },
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
    away: ["is-away", ["last seen ", ago(seen, "never")]],
    withheld: ["is-away", "gets no work"],
    draining: ["is-draining", "draining"],
    here: ["is-here", `${busy} of ${slots} busy`],
  };
  const how = !isHere ? "away" : withheld ? "withheld" : state === "draining" ? "draining" : "here";
  const [look, text] = says[how];
  return tileRow(
    "/workers",
    h("span", { class: `presence ${look}`, "aria-hidden": "true" }),
    what(name),
    side(text),
  );
}
