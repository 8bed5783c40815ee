// A command to be copied into a terminal.

import { h } from "../lib/dom.js";
import { copyButton } from "./buttons.js";

/** The command, and a button that copies it. */
export function commandLine(command) {
  return h(
    "div",
    { class: "to-copy" },
    h("pre", { class: "command-line", tabindex: "0" }, command),
    copyButton(() => command),
  );
}
