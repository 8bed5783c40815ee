// What to do on a new server, one step after the other, until all are taken or the list is put away.

import { h, replace } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { remember, remembered } from "../lib/storage.js";
import { buttonLink, iconButton } from "./buttons.js";
import { icon } from "./icons.js";
import { number, t } from "../lib/language.js";

const STEPS = [
  {
    what: "worker",
    may: "workers.manage",
    title: t`Join a worker`,
    text: t`It carries out automations where their targets are; one command on that machine.`,
    go: () => buttonLink(t`Show the command…`, "/workers?add=own"),
  },
  {
    what: "template",
    may: "templates.push",
    title: t`Push a template`,
    text: t`A runbook as a YAML file. The editor begins with one that works.`,
    go: () => buttonLink(t`Open the editor`, "/push"),
  },
  {
    what: "run",
    may: "automations.create",
    title: t`Run it`,
    text: t`What it does shows up line by line. Done once a run has succeeded.`,
    go: () => buttonLink(t`Choose a template`, "/templates"),
  },
  {
    what: "person",
    may: "users.manage",
    title: t`Invite a second person`,
    text: t`Somebody who runs templates too, or who agrees before one runs.`,
    go: () => buttonLink(t`Invite`, "/people"),
  },
  {
    what: "channel",
    may: "channels.manage",
    title: t`Set up a channel`,
    text: t`Mail or chat, by which people hear of what needs them.`,
    go: () => buttonLink(t`Set up`, "/channels"),
  },
];

/**
 * The steps, for who may take them. Gives { element, show(done) }: `done` says of each step whether
 * it has been taken. Once a run has succeeded only those that are left are listed; it hides itself
 * where none is, or where the person has put it away in this browser.
 */
export function firstSteps() {
  const steps = STEPS.filter((step) => may(step.may));
  const list = h("ol", { class: "first-steps" });
  const count = h("span", { class: "tile-count muted" });
  const putAway = () => {
    remember(place(), true);
    element.hidden = true;
    document.querySelector("h1")?.focus(); // what had it is not there any more
  };
  const away = iconButton("close", t`Put the first steps away`, putAway);
  const element = h(
    "section",
    { class: "tile", "aria-label": t`First steps`, hidden: true },
    h("header", { class: "tile-head" }, h("h2", {}, t`First steps`), count, away),
    list,
  );
  const show = (done) => {
    const next = steps.find(({ what }) => !done[what]);
    element.hidden = !next || remembered(place(), false);
    const taken = number(steps.filter(({ what }) => done[what]).length);
    replace(count, t`${taken} of ${number(steps.length)} done`);
    const shown = done.run ? steps.filter(({ what }) => !done[what]) : steps;
    replace(
      list,
      shown.map((step) => stepRow(step, done[step.what], step === next && !done.run)),
    );
  };
  return { element, show };
}

function place() {
  const { user, org } = whoAmI();
  return `first-steps.${org.code}.${user.id}`;
}

function stepRow({ title, text, go }, isDone, isNext) {
  const action = go();
  if (isNext) action.classList.add("primary");
  return h(
    "li",
    { class: isDone ? "first-step is-done" : "first-step" },
    h("span", { class: "first-step-mark" }, isDone && icon("succeeded")),
    h(
      "div",
      { class: "grow" },
      h("strong", {}, title, isDone && h("span", { class: "unseen" }, t`, done`)),
      h("p", { class: "muted" }, text),
    ),
    !isDone && action,
  );
}
