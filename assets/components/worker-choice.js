// Which worker is to take what one runs: any that fits, or one of them alone.

import { h, replace } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { visible } from "../lib/visible.js";
import { field, select } from "./fields.js";
import { t } from "../lib/language.js";

const ANY = ["", t`any that fits`];

/**
 * A field for one of the workers that fit, beside what `field` gives with value() and
 * offer(names), which are those that may be chosen. It is hidden where there is no choice.
 */
export function workerChoice(template, wanted, changed) {
  const isOpen = may("workers.view") && !template.fan_out;
  const start = isOpen ? (wanted ?? "") : "";
  const control = select([ANY, ...(start ? [[start, visible(start)]] : [])], start);
  control.addEventListener("change", changed);
  const made = field({
    label: t`Worker`,
    path: "worker",
    help: t`One of those that fit, as for a first try.`,
    control,
  });
  made.element.hidden = !isOpen;
  const value = () => control.value;
  const offer = (names) => {
    const chosen = value();
    const all = [...new Set([chosen, ...names])].filter(Boolean);
    const options = [ANY, ...all.map((name) => [name, visible(name)])];
    replace(
      control,
      options.map(([key, text]) => h("option", { value: key }, text)),
    );
    control.value = chosen;
  };
  return { ...made, value, offer };
}
