// Buttons that do something and show that they do.

import { h } from "../lib/dom.js";
import { announce, note } from "./announcer.js";
import { icon } from "./icons.js";
import { t } from "../lib/language.js";

/** A button; `look` is "", "primary", "danger" or "quiet". */
export function button(text, { look = "", name = "", onclick, type = "button", ...more } = {}) {
  return h(
    "button",
    { type, class: `button ${look}`, onclick, ...more },
    name && icon(name),
    h("span", {}, text),
  );
}

/** A link that looks like a button. */
export function buttonLink(text, href, { look = "", name = "", ...more } = {}) {
  return h(
    "a",
    { class: `button ${look}`, href, ...more },
    name && icon(name),
    h("span", {}, text),
  );
}

/** A button with an icon alone; `text` is what a screen reader says and the title shows. */
export function iconButton(name, text, onclick, more = {}) {
  return h(
    "button",
    {
      type: "button",
      class: "button quiet icon-only",
      title: text,
      "aria-label": text,
      onclick,
      ...more,
    },
    icon(name),
  );
}

/** Run `action` with the button switched off, so that a second click does nothing. */
export async function busyWhile(element, action) {
  if (element.getAttribute("aria-busy") === "true") return undefined;
  element.setAttribute("aria-busy", "true");
  element.disabled = true;
  try {
    return await action();
  } finally {
    element.removeAttribute("aria-busy");
    element.disabled = false;
  }
}

/** A button that copies what `text()` gives. */
export function copyButton(text, label = t`Copy`, look = "") {
  const element = button(label, { look, name: "copy" });
  element.addEventListener("click", async () => {
    const isCopied = await copy(text());
    if (!isCopied) {
      note(t`This browser does not let a page copy. Select the text and copy it yourself.`);
      return;
    }
    announce(t`Copied`);
    const words = element.lastChild;
    words.textContent = t`Copied`;
    setTimeout(() => (words.textContent = label), 1_500);
  });
  return element;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
