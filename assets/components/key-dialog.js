// Which keys there are, and switching off those that are a single letter.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { ask } from "./dialogs.js";
import { areKeysOn, setKeysOn } from "./keys.js";
import { SEARCH_KEY } from "./palette.js";

const KEYS = [
  [[SEARCH_KEY], t`find or do anything`],
  [["/"], t`to the search of the page`],
  [["j", "k"], t`to the next row of a list, to the one before; then also the arrows`],
  [[t`Enter`], t`open the row`],
  [["x", t`Space`], t`choose the row, where several can be chosen`],
  [[t`Esc`], t`choose none`],
  [["?"], t`show these keys`],
];

/** Open the dialog. */
export function openKeys() {
  const box = h("input", { type: "checkbox", checked: areKeysOn() });
  box.addEventListener("change", () => setKeysOn(box.checked));
  ask({
    title: t`Keys`,
    content: [
      h(
        "dl",
        { class: "keys" },
        KEYS.map(([keys, text]) => [
          h(
            "dt",
            {},
            keys.map((key) => h("kbd", {}, key)),
          ),
          h("dd", {}, text),
        ]),
      ),
      h("label", { class: "choice" }, box, t`Single keys do this, in this browser`),
    ],
    actions: [],
    back: t`Close`,
  });
}
