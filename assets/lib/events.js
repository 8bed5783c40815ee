// Server-sent events over fetch(): unlike EventSource this sees the HTTP status, resumes where this
// page says, lets a slow page slow the stream down, and gives its connection back while nobody
// looks (a browser has six per server).

import { comeBack, openOnce } from "./api.js";
import { inSlot } from "./stream-slots.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const SILENCE_MS = 40_000; // the server sends a heartbeat every 15 s
const HIDDEN_GRACE_MS = 15_000;
const BUSY_MS = 12; // then the page gets a turn to draw
const TURN_MS = 1_000; // the longest that a page may stream while others wait for their turn
const QUIET_MS = 150; // a turn ends when nothing has come for so long
const BETWEEN_TURNS_MS = 1_000;

/**
 * Follow a stream until `signal` says stop, the server says that this is for nobody here, or `on`
 * returns false.
 *
 * `path` fills the endpoint's placeholders, `query` goes along. `on(name, data, id)` gets each event; `status` is told
 * "live", "waiting" or "closed". Connections that break are made anew after a pause, from the last
 * id on. Errors that waiting does not mend go to `failed`.
 */
export async function follow(
  endpoint,
  { path, query, on, status = () => {}, failed = () => {}, signal },
) {
  const position = { id: "" };
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    await untilVisible(signal);
    try {
      let wasTurn = false;
      const isOver = await inSlot((isTurn) => {
        wasTurn = isTurn;
        return followOnce(endpoint, position, {
          path,
          query,
          signal,
          isTurn,
          on: (...event) => {
            pause = FIRST_PAUSE_MS;
            status("live");
            return on(...event);
          },
        });
      }, signal);
      if (isOver) break;
      if (wasTurn) {
        await sleep(BETWEEN_TURNS_MS, signal);
        continue;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (await isForNobody(error)) {
        failed(error);
        break;
      }
    }
    if (signal.aborted) return;
    status("waiting");
    if (document.visibilityState === "visible")
      await sleep(pause * (0.5 + Math.random() / 2), signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
  status("closed");
}

/** Whether neither waiting nor a login mends what the server says. */
async function isForNobody({ status }) {
  if (status === 401) return !(await comeBack());
  return status >= 400 && status < 500 && status !== 429;
}

/** One connection; with `isTurn` a short one. True when `on` had enough. */
async function followOnce(endpoint, position, { path, query, on, signal, isTurn }) {
  const connection = new AbortController();
  const hangUp = () => connection.abort();
  signal.addEventListener("abort", hangUp);
  const stopWatching = whenHidden(hangUp);
  let silence = setTimeout(hangUp, SILENCE_MS);
  let turn = 0;
  let isTurnOver = false;
  const endTurn = () => {
    isTurnOver = true;
    hangUp();
  };
  try {
    const headers = {
      Accept: "text/event-stream",
      ...(position.id && { "Last-Event-ID": position.id }),
    };
    const response = await openOnce(endpoint, { path, query, headers, signal: connection.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      clearTimeout(silence);
      silence = isTurn ? setTimeout(endTurn, QUIET_MS) : setTimeout(hangUp, SILENCE_MS);
      if (isTurn && !turn) turn = setTimeout(endTurn, TURN_MS);
      if (await deliver(parser.feed(value), position, on)) return true;
      if (signal.aborted) return false;
    }
  } catch (error) {
    if (isTurnOver) return false;
    throw error;
  } finally {
    clearTimeout(silence);
    clearTimeout(turn);
    stopWatching();
    signal.removeEventListener("abort", hangUp);
    connection.abort();
  }
}

async function deliver(events, position, on) {
  let began = performance.now();
  for (const { name, data, id } of events) {
    const isEnough = on(name, JSON.parse(data), id) === false;
    if (id) position.id = id;
    if (isEnough) return true;
    if (performance.now() - began > BUSY_MS) {
      await new Promise((resume) => setTimeout(resume));
      began = performance.now();
    }
  }
  return false;
}

/**
 * Takes the stream's text in pieces of any size; gives {name, data, id} for each event that is
 * complete.
 */
class EventParser {
  #rest = "";
  #event = { name: "message", data: [], id: "" };

  *feed(text) {
    if (!text.includes("\n")) {
      this.#rest += text; // a long event comes in many pieces: look at it once, when it is whole
      return;
    }
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "" || line === "\r") {
        if (this.#event.data.length) yield { ...this.#event, data: this.#event.data.join("\n") };
        this.#event = { name: "message", data: [], id: "" };
      } else this.#field(line.replace(/\r$/, ""));
    }
  }

  #field(line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (name === "event") this.#event.name = value;
    else if (name === "data") this.#event.data.push(value);
    else if (name === "id") this.#event.id = value;
  }
}

function untilVisible(signal) {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((resume) => {
    document.addEventListener("visibilitychange", resume, { once: true });
    signal.addEventListener("abort", resume, { once: true });
  });
}

/** Call `then` once the page has been hidden for a while; gives back how to stop watching. */
function whenHidden(then) {
  let timer = 0;
  const look = () => {
    clearTimeout(timer);
    if (document.visibilityState === "hidden") timer = setTimeout(then, HIDDEN_GRACE_MS);
  };
  look();
  document.addEventListener("visibilitychange", look);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

function sleep(milliseconds, signal) {
  return new Promise((resume) => {
    const timer = setTimeout(resume, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resume()), { once: true });
  });
}
