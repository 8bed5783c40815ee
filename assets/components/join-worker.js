// How one more worker joins: what it is to be, and then what to run, with a token in it.

import { getAll, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { inContainers, inKubernetes, inShell, inSystemd } from "../lib/join-commands.js";
import { countdown } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { button, copyButton } from "./buttons.js";
import { ask } from "./dialogs.js";
import { field, input, lines, select, textarea } from "./fields.js";
import { loading } from "./headings.js";
import { icon } from "./icons.js";
import { refreshAll } from "./live.js";
import { problemBox } from "./problems.js";
import { t } from "../lib/language.js";

const LOOK_MS = 2_000;
const WAYS = [
  ["shell", t`A command, to try it`],
  ["systemd", t`A service of systemd`],
  ["compose", t`Docker or Podman Compose`],
  ["kubernetes", t`Kubernetes`],
];
const SHOWN = {
  shell: inShell,
  systemd: inSystemd,
  compose: inContainers,
  kubernetes: inKubernetes,
};
const ABOUT = {
  shell: t`On the machine that is to carry out automations, with the opsicle file there, run:`,
  systemd: t`As root, with the opsicle file in /usr/local/bin. It starts again with the machine:`,
  compose: t`In a folder with the opsicle file. Automations then run in this container:`,
  kubernetes: t`Where kubectl leads to the cluster. The image is one that you make of the opsicle file:`,
};

/**
 * Show a join token; `isShared`: for a shared worker, which serves every org that lets it.
 */
export async function openJoinDialog(isShared) {
  const place = h("div", { class: "join" }, loading());
  const dialog = new AbortController();
  ask({
    closed: () => dialog.abort(),
    title: isShared ? t`Add a shared worker` : t`Add a worker`,
    content: place,
    actions: [],
    back: t`Close`,
    isWide: true,
  });
  const choices = {
    way: select(WAYS, "shell"),
    slots: input({ type: "number", min: "1", max: "1000", value: "4" }),
  };
  const head = h(
    "div",
    { class: "join-choices" },
    field({ label: t`How it runs`, control: choices.way }).element,
    field({ label: t`Jobs at once`, control: choices.slots }).element,
  );
  const joined = watchFor(isShared, dialog);
  let show = () => {};
  head.addEventListener("input", () => show());
  const make = async (labels) => {
    const body = { is_shared: isShared, ...(labels && { labels }) };
    const made = await post("/workers/tokens", { body });
    const command = commandStep(made, choices, () => make(labels));
    show = command.show;
    replace(place, head, labelsStep(labels, make), command.elements, joined.element);
  };
  try {
    await make(null);
  } catch (error) {
    replace(place, problemBox(error));
  }
}

/** A line that says once it is there; it asks for as long as the dialog is open. */
function watchFor(isShared, { signal }) {
  const element = h("p", { class: "muted", role: "status" }, t`Waiting for it to join…`);
  const endpoint = isShared ? "/server/workers" : "/workers";
  const known = new Set();
  let isFirst = true;
  const look = async () => {
    try {
      const workers = await getAll(endpoint, { signal });
      const fresh = workers.filter(({ id }) => !known.has(id));
      for (const { id } of workers) known.add(id);
      if (!isFirst && fresh.length) {
        const names = fresh.map(({ name }) => visible(name)).join(", ");
        element.className = "checked";
        replace(element, icon("succeeded"), t`${names} has joined.`);
        refreshAll();
      }
      isFirst = false;
    } catch {
      // what cannot be had now is asked for again
    }
    if (!signal.aborted) setTimeout(look, LOOK_MS);
  };
  look();
  return { element };
}

/** What to run, and `show`, which makes that follow what is chosen. */
function commandStep({ token, expires_at: expires }, { way, slots }, makeAnother) {
  const about = h("p", {});
  const command = h("pre", { class: "command-line", tabindex: "0" });
  const text = () => SHOWN[way.value]({ token, slots: Number(slots.value) || 4 });
  const show = () => {
    replace(about, ABOUT[way.value]);
    replace(command, text());
  };
  show();
  const elements = [
    about,
    command,
    h(
      "p",
      { class: "dialog-actions" },
      h("span", { class: "muted grow" }, t`Works once, for ${countdown(expires)}`),
      button(t`Make another`, { look: "quiet", onclick: makeAnother }),
      copyButton(text, t`Copy`, "primary"),
    ),
  ];
  return { elements, show };
}

/** Which labels count is decided by the token, so that changing them makes another. */
function labelsStep(granted, make) {
  const shown = Object.entries(granted ?? {}).map(([key, value]) => `${key}=${value}`);
  const labels = field({
    label: t`Labels that it is granted`,
    path: "labels",
    help: t`One per line, such as site=ams. Nothing: those with which it says that it joins.`,
    control: textarea({ rows: "2", value: shown.join("\n") }),
  });
  const typed = () => lines(labels.control).map((line) => line.trim().split(/=(.*)/s));
  const changed = async () => {
    const pairs = typed().map(([key, value = ""]) => [key, value]);
    try {
      await make(pairs.length ? Object.fromEntries(pairs) : null);
    } catch (error) {
      // the focus stays where the person is by now
      labels.setError(error.errors?.[0]?.message ?? error.message);
    }
  };
  labels.control.addEventListener("change", changed);
  return labels.element;
}
