// From when to when: the same choice and the same parameters of the address wherever there is one.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { inOrg } from "../lib/org-address.js";
import { queryText } from "../lib/query.js";
import { typedTime, zoneName } from "../lib/times.js";
import { input } from "./fields.js";

const SPANS = [
  ["1h", t`last hour`],
  ["24h", t`last 24 hours`],
  ["7d", t`last 7 days`],
  ["30d", t`last 30 days`],
];
const OWN = "own";
const MIDNIGHT = "T00:00";

/**
 * A filter (see filters.js) whose values are `since` and `until`, as `withInstants` of lib/times.js
 * takes them. `links` are { link, path, parameters } of pages that have one, too: they take along
 * what is chosen.
 */
export function spanFilter(query, links = []) {
  let chosen = { since: query.get("since") ?? "", until: query.get("until") ?? "" };
  let changed = () => {};
  const options = [["", t`any time`], ...SPANS, [OWN, t`from … to …`]];
  const choice = h(
    "select",
    { class: "chip", "aria-label": t`When` },
    options.map(([value, text]) => h("option", { value }, text)),
  );
  const [since, until] = [timeInput(chosen.since), timeInput(chosen.until)];
  const own = h(
    "div",
    { class: "own-span small muted", title: zoneName() },
    h("label", {}, t`Since`, " ", since),
    h("label", {}, t`Before`, " ", until),
  );
  choice.value = nameOf(chosen);
  const draw = () => {
    own.hidden = choice.value !== OWN;
    choice.classList.toggle("is-chosen", choice.value !== "");
    for (const { link, path, parameters } of links)
      link.href = inOrg(path + queryText({ ...parameters, ...chosen }));
  };
  const choose = (span) => ((chosen = span), draw(), changed());
  choice.addEventListener("change", () => {
    if (choice.value !== OWN) return choose({ since: choice.value, until: "" });
    since.value = typedTime(chosen.since);
    choose(typed(since, until));
  });
  for (const each of [since, until])
    each.addEventListener("change", () => choose(typed(since, until)));
  draw();
  const listen = (listener) => (changed = listener);
  return { element: [choice, own], values: () => chosen, listen };
}

function nameOf({ since, until }) {
  if (!since && !until) return "";
  return !until && SPANS.some(([name]) => name === since) ? since : OWN;
}

function timeInput(text) {
  return input({ type: "datetime-local", class: "input", value: typedTime(text) });
}

/** A day stands for when it begins. */
function typed(...controls) {
  const [since, until] = controls.map(({ value }) =>
    value.endsWith(MIDNIGHT) ? value.slice(0, -MIDNIGHT.length) : value,
  );
  return { since, until };
}
