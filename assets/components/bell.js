// What concerns the person, wherever they are: what waits for their decision, and which of their
// runs have failed lately.

import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { ago, now } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { loading } from "./headings.js";
import { icon } from "./icons.js";
import { closesByItself } from "./menus.js";
import { problemBox } from "./problems.js";
import { stateDot } from "./states.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";

const SHOWN = 5;
const LATELY_MS = 2 * 24 * 3_600_000;

/** The menu; what is in it is asked for when it is opened. `waiting` counts what is to decide. */
export function bell(waiting) {
  const list = h("div", { class: "menu-list bell-list" });
  const count = h("span", { class: "count", hidden: true });
  const summary = h("summary", { class: "button quiet icon-only" }, icon("bell"), count);
  const menu = h("details", { class: "menu" }, summary, list);
  let approvals = [];
  waiting.listen((number, items) => {
    approvals = items;
    count.hidden = !number;
    count.textContent = number;
    const name = number ? t`What concerns you: ${number} to decide` : t`What concerns you`;
    summary.setAttribute("aria-label", name);
    summary.setAttribute("title", name);
  });
  menu.addEventListener("toggle", () => menu.open && fill(list, approvals));
  return closesByItself(menu);
}

async function fill(list, approvals) {
  replace(list, toDecide(approvals), loading());
  try {
    replace(list, toDecide(approvals), failed(await ownFailures()));
  } catch (error) {
    replace(list, toDecide(approvals), problemBox(error));
  }
}

async function ownFailures() {
  if (!may("automations.view")) return [];
  const since = new Date(now() - LATELY_MS).toISOString();
  const query = {
    state: "failed,timed_out,unknown",
    requester: whoAmI().user.email,
    since,
    limit: SHOWN,
  };
  return (await get("/automations", { query })).items;
}

function toDecide(approvals) {
  if (!may("approvals.view")) return null;
  if (!approvals.length)
    return [h("h2", {}, t`To decide`), h("p", { class: "muted" }, t`Nothing waits for you.`)];
  return [
    h("h2", {}, t`To decide`),
    approvals
      .slice(0, SHOWN)
      .map(({ id, template, requester, asked_at: at }) =>
        entry(
          `/approvals/${id}`,
          "awaiting_approval",
          template,
          t`${visible(requester.name || requester.email)} asks, ${ago(at)}`,
        ),
      ),
    approvals.length > SHOWN && h("a", { href: "/approvals" }, t`All ${approvals.length}`),
  ];
}

function failed(automations) {
  if (!automations.length) return null;
  return [
    h("h2", {}, t`Your runs that failed`),
    automations.map(({ id, state, template, explanation, finished_at: at }) =>
      entry(`/automations/${id}`, state, template, [visible(said(explanation)), ", ", ago(at)]),
    ),
  ];
}

function entry(href, state, title, facts) {
  return h(
    "a",
    { class: "bell-entry", href },
    stateDot(state),
    h("span", {}, h("strong", {}, visible(title)), h("span", { class: "muted small" }, facts)),
  );
}
