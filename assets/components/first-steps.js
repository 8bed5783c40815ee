// What to do on a new server, one step after the other, until the first automation is green.

import { h, replace } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { buttonLink } from "./buttons.js";
import { icon } from "./icons.js";
import { t } from "../lib/language.js";

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
 * it has been taken. It hides itself once a run has succeeded, and where there is nothing to do.
 */
export function firstSteps() {
  const steps = STEPS.filter((step) => may(step.may));
  const list = h("ol", { class: "first-steps" });
  const element = h(
    "section",
    { class: "tile", hidden: true },
    h("header", { class: "tile-head" }, h("h2", {}, t`First steps`)),
    list,
  );
  const show = (done) => {
    const next = steps.find(({ what }) => !done[what]);
    element.hidden = done.run || !next;
    replace(
      list,
      steps.map((step) => stepRow(step, done[step.what], step === next)),
    );
  };
  return { element, show };
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
