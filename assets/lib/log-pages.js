// Parts of a log that the server is asked for: lines by number or place, and what a search finds.

import { addressOf, get } from "./api.js";
import { fromBase64 } from "./bytes.js";
import { LineBuffer } from "./linebuffer.js";

const LINE_FEED = 10;
const MOST_FOUND = 5_000; // lines: whoever has more looks for something else
const PER_SEARCH = 200;

/** The log of an automation's newest job, or of its plan, which stays beside that. */
export class LogSource {
  #path;
  #which;

  constructor(id, { isPlan = false } = {}) {
    this.isPlan = isPlan;
    this.#path = { automation_id: id };
    this.#which = isPlan ? { plan: true } : {};
  }

  /** Where its bytes are. */
  get address() {
    return addressOf("/automations/{automation_id}/log", { path: this.#path, query: this.#which });
  }

  /**
   * Lines as { buffer, total }: `query` says which, as `GET …/log/lines` takes it. A line that has
   * no end yet, or is cut, ends where it is cut. Throws ApiError.
   */
  async lines(query, signal) {
    const page = await get("/automations/{automation_id}/log/lines", {
      path: this.#path,
      query: { ...this.#which, ...query },
      signal,
    });
    const buffer = new LineBuffer({}, { linesBefore: (page.lines[0]?.line ?? 1) - 1 });
    for (const { line, at, data, ...place } of page.lines)
      buffer.append({
        ...place,
        number: line,
        at: Date.parse(at),
        bytes: withLineFeed(fromBase64(data)),
      });
    await new Promise((resume) => setTimeout(resume)); // what becomes of them is a task of its own
    return { buffer, total: page.total_lines };
  }

  /**
   * The numbers of the lines that contain a text, whatever the case, as they are found: yields
   * { numbers, isBusy, isCut } again and again. Throws ApiError.
   */
  async *find(text, stream, signal) {
    const numbers = [];
    const asked = { ...this.#which, text, ignore_case: true, limit: PER_SEARCH };
    if (stream) asked.stream = stream;
    let cursor = "";
    do {
      const found = await get("/automations/{automation_id}/log/search", {
        path: this.#path,
        query: { ...asked, ...(cursor && { cursor }) },
        signal,
      });
      numbers.push(...found.items.map(({ line }) => line));
      cursor = found.next_cursor;
      const isCut = Boolean(cursor) && numbers.length >= MOST_FOUND;
      yield { numbers, isBusy: Boolean(cursor) && !isCut, isCut };
      if (isCut) return;
    } while (cursor);
  }
}

function withLineFeed(bytes) {
  if (bytes.at(-1) === LINE_FEED) return bytes;
  const ended = new Uint8Array(bytes.length + 1);
  ended.set(bytes);
  ended[bytes.length] = LINE_FEED;
  return ended;
}
