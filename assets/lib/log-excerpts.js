// A few lines of a log, as its page shows them.

import { get } from "./api.js";
import { fromBase64 } from "./bytes.js";
import { LineBuffer } from "./linebuffer.js";

const LINES_LOOKED_AT = 20; // for the one at which something failed; what cleans up prints few
const STDERR = 2;
const NOTE = /^opsicle: /; // what the worker says itself, as that another attempt follows

/**
 * The line at which an automation failed, { number, text, stream }: the last that its failed phase
 * printed to standard error, or at all; null if it printed nothing. Throws ApiError.
 */
export async function failingLine(automation, { signal }) {
  const path = { automation_id: automation.id };
  const ask = (query) => get("/automations/{automation_id}/log/lines", { path, query, signal });
  const { index } = failedPart(automation);
  const ofPhase = ({ lines }) =>
    lines.filter(({ phase }) => index < 0 || phase === index).map(shownLine);
  const last = await ask({ tail: LINES_LOOKED_AT }); // mostly the error is among these
  const printed = ofPhase(last);
  let found = printed.filter(({ stream }) => stream === STDERR);
  if (!found.length && last.lines.length === LINES_LOOKED_AT)
    found = ofPhase(await ask({ tail: LINES_LOOKED_AT, stream: "stderr" }));
  if (!found.length) found = printed;
  if (!found.length) found = (await failureExcerpt(automation, 1, { signal })).lines;
  return lastOwn(found) ?? null;
}

/** The last line that a command printed itself, or else the last of all. */
function lastOwn(lines) {
  return lines.findLast(({ text }) => !NOTE.test(text)) ?? lines.at(-1);
}

/**
 * The last lines that an automation printed to standard error, or at all if there it printed
 * nothing: { number, text, stream } each, oldest first. Throws ApiError.
 */
async function lastErrorLines(id, count, { signal }) {
  const path = { automation_id: id };
  const ask = (query) => get("/automations/{automation_id}/log/lines", { path, query, signal });
  const errors = await ask({ tail: count, stream: "stderr" });
  const found = errors.lines.length ? errors : await ask({ tail: count });
  return found.lines.map(shownLine);
}

/** States of a phase or command that did not go well. */
export const FAILED = ["failed", "timed_out", "unknown", "cancelled"];

/**
 * What an automation that did not go well says of it: { lines, first }. `lines` are the last that
 * its failed phase printed to standard error, or at all if there it printed nothing, as
 * `lastErrorLines` gives them; `first` is the number of the line at which to begin to read: the
 * failed command's first to standard error, else the last of these. 0: not known. Throws ApiError.
 */
export async function failureExcerpt(automation, count, { signal }) {
  const { id } = automation;
  const { begin, command, end } = failedPart(automation);
  if (begin === null) {
    const lines = await lastErrorLines(id, count, { signal });
    return { lines, first: lines.at(-1)?.number ?? 0 };
  }
  const path = { automation_id: id };
  const ask = async (query) =>
    (await get("/automations/{automation_id}/log/lines", { path, query, signal })).lines;
  const [behind] = end === null ? [] : await ask({ from_byte: end, lines: 1 });
  const before = behind && { before_line: behind.line };
  const last = async (which) =>
    (await ask({ tail: count, ...which, ...before })).filter(({ offset }) => offset >= begin);
  const errors = await last({ stream: "stderr" });
  const found = errors.length ? errors : await last({});
  const [first] = errors.length
    ? await ask({ from_byte: command, lines: 1, stream: "stderr", ...before })
    : [];
  const lines = found.map(shownLine);
  const all = first ? [...lines, shownLine(first)] : lines;
  return { lines, first: beginOf(lastOwn(all)?.number ?? 0, lines) };
}

/**
 * Where the errors begin of which this is one: what a command prints at once may come before the
 * worker has noted that it has begun.
 */
function beginOf(number, errors) {
  const numbers = new Set(errors.map((line) => line.number));
  let first = number;
  while (numbers.has(first - 1)) first--;
  return first;
}

/**
 * The last lines that a phase of a run printed, or printed to one `stream`, as texts; "" for the
 * name: the last of the whole log. None where there is no such phase. Throws ApiError.
 */
export async function phaseLines({ id, phases }, name, count, { signal, stream }) {
  const index = phases.findIndex((phase) => phase.name === name);
  if (name && index < 0) return [];
  const path = { automation_id: id };
  const ask = async (query) =>
    (await get("/automations/{automation_id}/log/lines", { path, query, signal })).lines;
  const end = name ? beginAfter(phases, index) : null;
  const [behind] = end === null ? [] : await ask({ from_byte: end, lines: 1 });
  const which = { ...(stream && { stream }), ...(behind && { before_line: behind.line }) };
  const lines = await ask({ tail: count, ...which });
  return lines.filter(({ phase }) => !name || phase === index).map((line) => shownLine(line).text);
}

/** Where what comes behind a phase begins to print; null where nothing does. */
function beginAfter(phases, index) {
  const later = phases.slice(index + 1).flatMap(({ commands }) => commands);
  return later.find(({ log_offset: offset }) => offset !== null)?.log_offset ?? null;
}

/**
 * The failed phase's `index`, -1 if not known, and places in the log: where that phase and its
 * failed command begin to print, and where what came behind them does; null where not known.
 */
function failedPart({ plan, phases, jobs }) {
  const all = jobs.at(-1)?.is_plan ? plan : phases;
  const index = all.findIndex(({ state }) => FAILED.includes(state));
  const commands = all[index]?.commands ?? [];
  const failed = commands.find(({ state }) => FAILED.includes(state))?.log_offset ?? null;
  const begin = commands[0]?.log_offset ?? failed;
  return { index, begin, command: failed ?? begin, end: beginAfter(all, index) };
}

function shownLine({ line, stream, data }) {
  return { number: line, stream, text: textOf(fromBase64(data)) };
}

/** What a line looks like once its control sequences are carried out. */
function textOf(bytes) {
  const buffer = new LineBuffer();
  buffer.append({ offset: 0, phase: 0, stream: 1, at: 0, bytes });
  buffer.finish();
  return buffer.lines
    .filter(({ kind }) => kind === "text")
    .map(({ text }) => text)
    .join(" ");
}
