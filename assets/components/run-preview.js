// What will run, where, and who must agree: said above the button, for the values as they are typed.

import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { visible } from "../lib/visible.js";
import { needView } from "./approval-need.js";
import { noticeBox, problemBox, sentence } from "./problems.js";
import { number, plural, t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";

const PAUSE_MS = 400; // after the last key
const MOST_MACHINES = 20;

/**
 * A preview of what `request()` would trigger, looked at anew after each `look()`; `need` stands
 * there before. `found(preview)` hears what the server says. Lives until `signal` says otherwise.
 */
export function runPreview({ need, request, found, signal }) {
  const element = h("div", { class: "run-preview", role: "status" });
  let timer = 0;
  let turn = 0;
  const show = (...content) => {
    const next = h("div", {}, content);
    if (next.textContent !== element.textContent) replace(element, next); // or it is read out again
  };
  const ask = async () => {
    const mine = ++turn;
    try {
      const preview = await post("/automations/preview", { body: request(), signal });
      if (mine !== turn || signal.aborted) return;
      found(preview);
      show(placeText(preview), agreement(preview.need), refusal(preview));
    } catch (error) {
      if (mine === turn && !signal.aborted) show(problemBox(error));
    }
  };
  const look = (pause = PAUSE_MS) => {
    clearTimeout(timer);
    timer = setTimeout(ask, pause);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  show(agreement(need));
  look(0);
  return { element, look };
}

function agreement(need) {
  return needView(need) ?? h("p", {}, t`Nobody has to agree.`);
}

function refusal({ refusal: reason, need }) {
  if (!reason || need.problem) return null;
  return noticeBox("warn", h("strong", {}, t`It cannot run`), h("p", {}, sentence(reason)));
}

function placeText({ machines, workers, fitting, waiting }) {
  if (machines.length > 0) {
    const first = machines.slice(0, MOST_MACHINES).join(", ");
    const named = visible(machines.length > MOST_MACHINES ? t`${first} and so on` : first);
    const count = machines.length;
    const text = plural(count, {
      one: t`It runs on 1 machine: ${named}.`,
      other: t`It runs on ${number(count)} machines: ${named}.`,
    });
    return h("p", {}, text);
  }
  const others = fitting - workers.length;
  const names = [...workers, ...(others > 0 ? [t`${others} others`] : [])].join(", ");
  const runs = fitting > 1 ? t`It runs on one of ${names}.` : t`It runs on ${names}.`;
  return h(
    "p",
    {},
    fitting > 0 && visible(runs),
    fitting > 0 && waiting && " ",
    waiting && t`For now it waits: ${visible(said(waiting))}.`,
  );
}
