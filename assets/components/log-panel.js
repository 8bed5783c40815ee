// An automation's log: the bar above it, and the events that fill it.

import { addressOf } from "../lib/api.js";
import { fromBase64, sizeText } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { LineBuffer } from "../lib/linebuffer.js";
import { remember, remembered } from "../lib/storage.js";
import { announce } from "./announcer.js";
import { buttonLink, copyButton, iconButton } from "./buttons.js";
import { input } from "./fields.js";
import { LogView } from "./log-view.js";
import { sentence } from "./problems.js";
import { isFinal } from "./states.js";

const PAUSE_MS = 120; // after the last key, before the search begins

/** The whole panel as `element`, for the automation with this id; everything ends with `signal`. */
export class LogPanel {
  #buffer = new LineBuffer();
  #job = "";
  #view;
  #empty = h("p", { class: "log-empty" }, "");
  #size = h("span", { class: "muted small" });
  #bytes = 0;

  constructor({ id, mark, signal }) {
    this.#view = new LogView({ signal });
    this.#view.show(this.#buffer);
    const { bar, searched } = searchBar(this.#view);
    this.#view.onSearched = searched;
    const copy = copyButton(() => this.#view.selectedText() || this.#view.wholeText());
    copy.title =
      "Copy the selected lines, or all. Click a line number to select, with Shift for more.";
    const address = addressOf("/automations/{automation_id}/log", { path: { automation_id: id } });
    const download = buttonLink("Raw", address, {
      name: "download",
      download: `${id}.log`,
      title: "Download the log’s bytes as they are",
    });
    this.element = h(
      "section",
      { class: "log-panel", "aria-label": "Log" },
      h(
        "div",
        { class: "log-bar" },
        h("h2", {}, "Log"),
        mark,
        this.#size,
        h("span", { class: "grow" }),
        bar,
        toggles(this.#view),
        copy,
        download,
      ),
      h("div", { class: "log-frame" }, this.#view.element, this.#empty),
    );
  }

  /** Take a `log` event. */
  append({ job_id: job, chunks }) {
    if (job !== this.#job) this.#begin(job);
    for (const { offset, phase, stream, at, data } of chunks) {
      const bytes = fromBase64(data);
      if (offset + bytes.length <= this.#bytes) continue; // shown already, before the connection broke
      this.#buffer.append({ offset, phase, stream, at: Date.parse(at), bytes });
      this.#bytes = offset + bytes.length;
    }
    this.#empty.hidden = true;
    this.#size.textContent = sizeText(this.#bytes);
    this.#view.changed();
  }

  /** Learn what the automation's phases are called, and why there may be no log. */
  describe(automation) {
    const { jobs, plan, phases } = automation;
    const shown = jobs.at(-1)?.is_plan ? plan : phases;
    this.#view.phaseNames = shown.map((phase) => phase.name);
    this.#empty.textContent = isFinal(automation.state)
      ? automation.started_at
        ? sentence(automation.log_remark || "it printed nothing")
        : "It did not run."
      : automation.started_at
        ? "Nothing printed yet."
        : "The log begins when a worker starts it.";
  }

  /** Say that the log is complete. */
  finish() {
    this.#buffer.finish();
    this.#view.changed();
  }

  /**
   * Show where a phase's output begins, or that of one of its commands, which begins at this byte
   * of the log.
   */
  goTo(phase, offset) {
    const index =
      offset === null || offset === undefined
        ? this.#buffer.lines.findIndex((line) => line.phase >= phase)
        : this.#buffer.indexAtOffset(offset);
    if (index < 0) announce("It has printed nothing");
    else this.#view.goToLine(index);
  }

  /** Show the line with this number. */
  goToNumber(number) {
    this.#view.goToLine(this.#buffer.indexOfNumber(number));
  }

  #begin(job) {
    this.#job = job;
    this.#bytes = 0;
    this.#buffer = new LineBuffer();
    this.#view.show(this.#buffer);
  }
}

function toggles(view) {
  const wrap = toggle(
    "Wrap",
    remembered("log.wrap", true),
    (isOn) => (remember("log.wrap", isOn), view.setWrapped(isOn)),
  );
  const times = toggle(
    "Times",
    remembered("log.times", false),
    (isOn) => (remember("log.times", isOn), view.setTimed(isOn)),
  );
  const follow = toggle("Follow", true, (isOn) => view.setFollowing(isOn));
  view.onFollowing = (isOn) => follow.setAttribute("aria-pressed", String(isOn));
  return [wrap, times, follow];
}

function toggle(text, isOn, changed) {
  const element = h(
    "button",
    { type: "button", class: "button toggle", "aria-pressed": String(isOn) },
    text,
  );
  element.addEventListener("click", () => {
    const isPressed = element.getAttribute("aria-pressed") !== "true";
    element.setAttribute("aria-pressed", String(isPressed));
    changed(isPressed);
  });
  changed(isOn);
  return element;
}

function searchBar(view) {
  const field = input({
    type: "search",
    placeholder: "Search the log",
    "aria-label": "Search the log",
    class: "input small",
  });
  const count = h("span", { class: "log-count", role: "status" });
  let timer = 0;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => view.search(field.value), PAUSE_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    view.step(event.shiftKey ? -1 : 1);
  });
  const searched = ({ isSearching, place, total, isBusy }) => {
    count.textContent = !isSearching
      ? ""
      : total
        ? `${place + 1} of ${total.toLocaleString("en")}${isBusy ? "…" : ""}`
        : isBusy
          ? "…"
          : "none";
  };
  const bar = h(
    "div",
    { class: "log-search" },
    field,
    count,
    iconButton("up", "Previous match (Shift+Enter)", () => view.step(-1)),
    iconButton("down", "Next match (Enter)", () => view.step(1)),
  );
  return { bar, searched };
}
