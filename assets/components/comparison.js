// An automation beside the last one of its template that succeeded before it: what was different.

import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { lineDiff } from "../lib/line-diff.js";
import { FAILED, phaseLines } from "../lib/log-excerpts.js";
import { versionText } from "../lib/templates.js";
import { ago, durationText } from "../lib/times.js";
import { visible, visibleValue } from "../lib/visible.js";
import { changedLines, diffView } from "./diff.js";
import { loading } from "./headings.js";
import { problemBox } from "./problems.js";
import { stateDot } from "./states.js";
import { t } from "../lib/language.js";

const LINES = 300; // of each log

/** The comparison, which fills itself. */
export function comparisonView(automation, signal) {
  const place = h("div", {}, loading());
  fill(place, automation, signal);
  return place;
}

async function fill(place, automation, signal) {
  try {
    const earlier = await lastSuccess(automation, signal);
    replace(place, earlier ? await view(automation, earlier, signal) : nothing(automation));
  } catch (error) {
    if (!signal.aborted) replace(place, problemBox(error));
  }
}

async function lastSuccess({ id, template }, signal) {
  const query = { template, state: "succeeded", cursor: id, limit: 1 };
  const [found] = (await get("/automations", { query, signal })).items;
  if (!found) return null;
  return get("/automations/{automation_id}", { path: { automation_id: found.id }, signal });
}

function nothing({ template }) {
  return h("p", { class: "muted" }, t`Nothing of ${template} succeeded before it.`);
}

async function view(now, before, signal) {
  const link = h("a", { href: `/automations/${before.id}` }, t`the last success before it`);
  return h(
    "div",
    { class: "automation-facts comparison" },
    h("p", {}, t`Compared with ${link}, ${ago(before.created_at)}.`),
    h("h2", {}, t`What it was`),
    facts(now, before),
    await templateChanges(now, before, signal),
    h("h2", {}, t`Values`),
    valueChanges(now, before),
    h("h2", {}, t`How long it took`),
    durations(now, before),
    h("h2", {}, t`Log`),
    await logChanges(now, before, signal),
  );
}

function facts(now, before) {
  return changes([
    [t`Version`, versionText(before.version), versionText(now.version)],
    [t`Worker`, before.worker?.name ?? t`none`, now.worker?.name ?? t`none`],
    [t`By`, before.requester.email, now.requester.email],
  ]);
}

/** What is different in the template itself; nothing where it is the same version, or a draft. */
async function templateChanges(now, before, signal) {
  if (now.version === before.version || !now.version || !before.version) return null;
  const path = { name: now.template };
  const query = { from: before.version, to: now.version };
  try {
    const { diff } = await get("/templates/{name}/diff", { path, query, signal });
    return [h("h2", {}, t`Template`), diffView(diff)];
  } catch (error) {
    if (![403, 404].includes(error.status)) throw error;
    return null; // it may not be seen, or is not there any more
  }
}

function valueChanges(now, before) {
  const labels = new Map(now.variables.map(({ id, label }) => [id, label || id]));
  const ids = [...new Set([...Object.keys(before.values), ...Object.keys(now.values)])];
  if (!ids.length) return h("p", { class: "muted" }, t`It takes none.`);
  return changes(
    ids.map((id) => [labels.get(id) ?? id, said(before.values[id]), said(now.values[id])]),
  );
}

function said(value) {
  return value === undefined ? t`nothing` : visibleValue(value);
}

/** Rows of what there was before and what there is now; what is the same says so. */
function changes(rows) {
  return h(
    "dl",
    { class: "values compared" },
    rows.map(([name, before, now]) => [
      h("dt", {}, visible(name)),
      before === now
        ? h("dd", { class: "muted" }, t`${visible(now)} (the same)`)
        : h("dd", {}, h("del", {}, visible(before)), " → ", h("ins", {}, visible(now))),
    ]),
  );
}

function durations(now, before) {
  const earlier = new Map(before.phases.map((phase) => [phase.name, phase]));
  const longest = Math.max(...[...now.phases, ...before.phases].map(took), 1);
  return h(
    "ol",
    { class: "timeline compared-times", "aria-label": t`How long each phase took` },
    now.phases.map((phase) => {
      const other = earlier.get(phase.name);
      return h(
        "li",
        { class: "timeline-row" },
        h(
          "span",
          { class: "timeline-what" },
          stateDot(phase.state),
          h("span", {}, visible(phase.name)),
        ),
        h(
          "span",
          { class: "timeline-track", "aria-hidden": "true" },
          other && bar(took(other), longest, "is-waiting"),
          bar(took(phase), longest, `state-${phase.state}`),
        ),
        h("span", { class: "duration" }, other ? `${text(other)} → ${text(phase)}` : text(phase)),
      );
    }),
  );
}

function took({ started_at: from, finished_at: to }) {
  return from && to ? Date.parse(to) - Date.parse(from) : 0;
}

function text(phase) {
  return phase.started_at && phase.finished_at ? durationText(took(phase)) : "–";
}

function bar(milliseconds, longest, look) {
  const width = `${Math.max((100 * milliseconds) / longest, milliseconds ? 0.5 : 0)}%`;
  return h("span", { class: `timeline-bar ${look}`, style: { left: "0", width } });
}

/**
 * Where the logs differ: those of the failed phase, or of all where none failed. What was printed
 * to standard error may stand far above the last lines: it is compared alone where they are alike.
 */
async function logChanges(now, before, signal) {
  const name = now.phases.find(({ state }) => FAILED.includes(state))?.name ?? "";
  const compared = async (stream) => {
    const texts = (automation) => phaseLines(automation, name, LINES, { signal, stream });
    return lineDiff(await texts(before), await texts(now));
  };
  try {
    const diff = await compared();
    if (diff) return differences(diff, ofLastLines(name));
    const errors = await compared("stderr");
    if (errors) return differences(errors, ofLastErrors(name));
    return h("p", { class: "muted" }, t`The last ${LINES} lines are the same in both.`);
  } catch (error) {
    if (error.status !== 410) throw error;
    return h("p", { class: "muted" }, t`One of the two has been removed.`);
  }
}

function differences(diff, what) {
  return [h("p", { class: "muted" }, visible(what)), changedLines(diff.split("\n"))];
}

function ofLastLines(name) {
  return name
    ? t`Of the last ${LINES} lines that ${name} printed: only before (-), and only now (+).`
    : t`Of the last ${LINES} lines of each log: only before (-), and only now (+).`;
}

function ofLastErrors(name) {
  return name
    ? t`Of the last ${LINES} lines that ${name} printed to standard error: only before (-), and only now (+).`
    : t`Of the last ${LINES} lines to standard error of each log: only before (-), and only now (+).`;
}
