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
  return found.lines.map(({ line, stream, data }) => ({
    number: line,
    stream,
    text: textOf(fromBase64(data)),
  }));
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
