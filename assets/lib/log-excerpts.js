// A few lines of a log, as its page shows them.

import { get } from "./api.js";
import { fromBase64 } from "./bytes.js";
import { LineBuffer } from "./linebuffer.js";

/**
 * The last lines that an automation printed to standard error, or at all if there it printed
 * nothing: { number, text, stream } each, oldest first. Throws ApiError.
 */
export async function lastErrorLines(id, count, { signal }) {
  const path = { automation_id: id };
  const ask = (query) => get("/automations/{automation_id}/log/lines", { path, query, signal });
  const errors = await ask({ tail: count, stream: "stderr" });
  const found = errors.lines.length ? errors : await ask({ tail: count });
  return found.lines.map(shownLine);
}

const FAILED = ["failed", "timed_out", "unknown", "cancelled"];

/**
 * What an automation that did not go well says of it: { lines, first }. `lines` are the last that
 * its failed phase printed to standard error, as `lastErrorLines` gives them, `first` the number of
 * the one at which to begin to read: the failed command's first to standard error, else its last.
 * 0: not known. Throws ApiError.
 */
export async function failureExcerpt(automation, count, { signal }) {
  const { id, plan, phases, jobs } = automation;
  const all = jobs.at(-1)?.is_plan ? plan : phases;
  const index = all.findIndex(({ state }) => FAILED.includes(state));
  const command = all[index]?.commands.find(({ state }) => FAILED.includes(state));
  const from = command?.log_offset ?? null;
  if (from === null) {
    const lines = await lastErrorLines(id, count, { signal });
    return { lines, first: lines[0]?.number ?? 0 };
  }

  const path = { automation_id: id };
  const ask = async (query) =>
    (await get("/automations/{automation_id}/log/lines", { path, query, signal })).lines;
  const next = all.slice(index + 1).flatMap((phase) => phase.commands.map((each) => each.log_offset));
  const end = next.find((offset) => offset !== null && offset !== undefined);
  const [behind] = end === undefined ? [] : await ask({ from_byte: end, lines: 1 });
  const before = behind && { before_line: behind.line };
  const [first] = await ask({ from_byte: from, lines: 1, stream: "stderr", ...before });
  const narrowed = first ? { stream: "stderr", ...before } : before;
  const found = await ask({ tail: count, ...narrowed });
  const lines = found.filter(({ offset }) => offset >= from).map(shownLine);
  return { lines, first: first?.line ?? lines.at(-1)?.number ?? 0 };
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
