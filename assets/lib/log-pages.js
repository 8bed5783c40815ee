// Parts of a log that the server is asked for: lines by number or place, and what a search finds.

import { get } from "./api.js";
import { fromBase64 } from "./bytes.js";
import { LineBuffer } from "./linebuffer.js";

const LINE_FEED = 10;
const MOST_FOUND = 5_000; // lines: whoever has more looks for something else
const PER_SEARCH = 200;

/**
 * Lines of a log as { buffer, total }: `query` says which, as `GET …/log/lines` takes it. A line
 * that has no end yet, or is cut, ends where it is cut. Throws ApiError.
 */
export async function fetchLines(id, query, signal) {
  const path = { automation_id: id };
  const page = await get("/automations/{automation_id}/log/lines", { path, query, signal });
  const buffer = new LineBuffer({}, { linesBefore: (page.lines[0]?.line ?? 1) - 1 });
  for (const { line: _, at, data, ...place } of page.lines)
    buffer.append({ ...place, at: Date.parse(at), bytes: withLineFeed(fromBase64(data)) });
  return { buffer, total: page.total_lines };
}

function withLineFeed(bytes) {
  if (bytes.at(-1) === LINE_FEED) return bytes;
  const ended = new Uint8Array(bytes.length + 1);
  ended.set(bytes);
  ended[bytes.length] = LINE_FEED;
  return ended;
}

/**
 * The numbers of the lines that contain a text, whatever the case, as they are found: yields
 * { numbers, isBusy, isCut } again and again. Throws ApiError.
 */
export async function* findLines(id, text, signal) {
  const path = { automation_id: id };
  const numbers = [];
  let cursor = "";
  do {
    const query = { text, ignore_case: true, limit: PER_SEARCH, ...(cursor && { cursor }) };
    const found = await get("/automations/{automation_id}/log/search", { path, query, signal });
    numbers.push(...found.items.map(({ line }) => line));
    cursor = found.next_cursor;
    const isCut = Boolean(cursor) && numbers.length >= MOST_FOUND;
    yield { numbers, isBusy: Boolean(cursor) && !isCut, isCut };
    if (isCut) return;
  } while (cursor);
}
