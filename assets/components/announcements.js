// What those who run the server announce, above every page, until the person has read it.

import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { whoAmI } from "../lib/session.js";
import { remember, remembered } from "../lib/storage.js";
import { now } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { noticeBox } from "./problems.js";

const LONGEST_MS = 2 ** 31 - 1; // of a timer

/** Show those in `place` that the person has not put away in this browser, each to its end. */
export function showAnnouncements(place) {
  const { announcements } = whoAmI();
  const away = new Set(remembered(memory(), []));
  const current = announcements.filter(({ id }) => !away.has(id));
  replace(place, current.map(shown));
}

function shown({ id, severity, text, ends_at: end }) {
  const said = visible(text);
  const onclick = () => {
    rememberAway(id);
    box.remove();
  };
  const away = button(t`Dismiss`, { look: "quiet", "aria-label": t`Dismiss: ${said}`, onclick });
  const box = noticeBox(severity === "warning" ? "warn" : "note", h("p", {}, said));
  box.append(away);
  if (end) setTimeout(() => box.remove(), Math.min(Date.parse(end) - now(), LONGEST_MS));
  return box;
}

/** What is announced no longer need not be known as put away. */
function rememberAway(id) {
  const away = new Set([...remembered(memory(), []), id]);
  const known = whoAmI().announcements.map((each) => each.id);
  remember(
    memory(),
    known.filter((each) => away.has(each)),
  );
}

function memory() {
  return `announcements.${whoAmI().org.code}.${whoAmI().user.id}`;
}
