// Native <dialog>: it keeps the focus inside, closes with Esc and gives the focus back.

import { flatten, h } from "../lib/dom.js";
import { here } from "../lib/router.js";
import { whoAmI } from "../lib/session.js";
import { busyWhile, button } from "./buttons.js";
import { explainAt, showProblems } from "./fields.js";
import { problemBox } from "./problems.js";
import { t } from "../lib/language.js";

let count = 0;

/** Close all that is asked, as "Back" does. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

/**
 * Ask something. Each action is { text, look, run }: `run` may take its time and throw, then the
 * dialog says what went wrong and stays open. Closes after an action, or at once with "Back".
 * `more` are actions of another kind, apart.
 */
export function ask({
  title,
  content,
  actions,
  more = [],
  back = t`Back`,
  isWide = false,
  closed = () => {},
}) {
  const id = `dialog-${++count}`;
  const trouble = h("div", {});
  const form = h("form", { method: "dialog", class: "dialog-form", novalidate: true });
  const dialog = h(
    "dialog",
    { class: isWide ? "dialog wide" : "dialog", "aria-labelledby": id },
    form,
  );
  const carryOut = async (element, run) => {
    trouble.replaceChildren();
    try {
      const isKept = await busyWhile(element, run);
      if (isKept !== false) dialog.close();
    } catch (error) {
      trouble.replaceChildren(problemBox(error));
    }
  };
  const buttonOf = ({ text, look, run }, type = "button") => {
    const element = button(text, { look, type });
    if (type === "button") element.addEventListener("click", () => carryOut(element, run));
    return element;
  };
  const buttons = actions.map((each, i) =>
    buttonOf(each, i === actions.length - 1 ? "submit" : "button"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (actions.length) carryOut(buttons.at(-1), actions.at(-1).run);
  });
  form.append(
    h("h2", { id }, title),
    ...flatten([
      content,
      more.length > 0 &&
        h(
          "div",
          { class: "dialog-more" },
          more.map((each) => buttonOf(each)),
        ),
      trouble,
    ]),
    h("div", { class: "dialog-actions" }, button(back, { onclick: () => dialog.close() }), buttons),
  );
  dialog.addEventListener("close", () => (dialog.remove(), closed()));
  document.body.append(dialog);
  document.activeElement?.closest("[popover]")?.hidePopover(); // its opener gets the focus back
  dialog.showModal();
  return dialog;
}

/**
 * What a button does that opens a dialog made of what `load` gives: it is busy for so long, and a
 * dialog says what went wrong. Nothing opens once the person has gone to another page, or is logged
 * out.
 */
export function opensWith(load, open) {
  return async ({ currentTarget: opener }) => {
    const place = here();
    let show;
    try {
      const loaded = await busyWhile(opener, load);
      show = () => open(loaded);
    } catch (error) {
      show = () => ask({ title: t`This did not work`, content: problemBox(error), actions: [] });
    }
    if (here() !== place || !whoAmI()) return;
    opener.focus(); // where the dialog gives the focus back to
    show();
  };
}

/**
 * Ask whether to do it: `text` says what it means, `action` is on the button, `done` is called
 * afterwards.
 */
export function confirm({ title, text, action, look = "danger", back, run, done = () => {} }) {
  const actions = [{ text: action, look, run: async () => done(await run()) }];
  return ask({ title, content: h("p", {}, text), actions, back });
}

/**
 * Ask for what `fields` hold and `send` it, unless `check()` gives what is wrong before. That, and
 * what the server finds wrong with a field, stands at the field. `done(reply)` is called with what `send` resolves to; false from it keeps the dialog open.
 * `above` and `below` the fields may stand further elements; everything else is as in `ask`.
 */
export function askForm({
  fields,
  check = () => [],
  send,
  action,
  look = "primary",
  done = () => {},
  ...more
}) {
  const run = async () => {
    const wrong = check();
    if (wrong.length) {
      showProblems(fields, wrong);
      return false;
    }
    let reply;
    try {
      reply = await send();
    } catch (error) {
      explainAt(fields, error);
      return false;
    }
    return done(reply);
  };
  const { above, below, ...rest } = more;
  const content = [above, fields.map((each) => each.element), below];
  return ask({ content, actions: [{ text: action, look, run }], ...rest });
}
