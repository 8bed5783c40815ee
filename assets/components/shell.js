// What surrounds every page: the rail, the bar on top, and what is wrong with the server.

import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { said } from "../lib/server-texts.js";
import { setMe, whoAmI } from "../lib/session.js";
import { announcer } from "./announcer.js";
import { watchWaiting } from "./attention.js";
import { barFor, barForNobody } from "./bar.js";
import { openPalette, opensByKey } from "./palette.js";
import { noticeBox } from "./problems.js";
import { rail } from "./rail.js";
import { t } from "../lib/language.js";

const ASKED_AGAIN_MS = 10 * 60_000;

/**
 * Build the page's frame in `body`; `pages` are those of page-table.js, `loadTold()`
 * loads what shows announcements. Gives { outlet, refresh(path)
 * }, the latter to be called for each page that is shown.
 */
export function buildShell(body, { pages, logOut, loadTold }) {
  const outlet = h("main", { id: "main", class: "main" });
  const bar = h("header", { class: "bar" });
  const side = h("nav", { class: "main-nav", "aria-label": t`Main` });
  const remarks = h("section", {
    class: "remarks",
    "aria-label": t`About this server`,
    hidden: true,
  });
  const onclick = (event) => skipTo(event, outlet);
  const skip = h("a", { class: "skip", href: "#main", onclick }, t`Skip to content`);
  body.replaceChildren(skip, bar, side, remarks, outlet, ...announcer());

  const search = () => openPalette({ pages, logOut });
  opensByKey(search);
  let builtFor = "";
  let links = null;
  let waiting = null;
  let asked = Date.now();
  let at = "";
  const refresh = (path) => {
    at = path;
    const me = whoAmI();
    if (me && Date.now() - asked > ASKED_AGAIN_MS) {
      asked = Date.now(); // a window that stays open hears what is announced meanwhile
      hearAgain(() => refresh(at));
    }
    if (print(me) !== builtFor) {
      builtFor = print(me);
      waiting?.stop();
      waiting = me && watchWaiting();
      links = me && rail(side, { pages, waiting });
      replace(bar, logo(), me ? barFor({ me, pages, waiting, search, logOut }) : barForNobody());
      showRemarks(remarks, me, loadTold);
      body.classList.toggle("is-framed", Boolean(me));
      side.hidden = !me;
    }
    links?.mark(path);
    waiting?.look();
  };
  return { outlet, refresh };
}

async function hearAgain(done) {
  try {
    setMe(await get("/whoami"));
    done();
  } catch {
    // The page itself says what is wrong with the server, or with the session.
  }
}

/** What the frame is made from; the token that goes with changes is not on the page. */
function print(me) {
  return JSON.stringify({ ...me, csrf_token: "" });
}

/**
 * What is not as it should be on the server, on every page of those who can mend it, and what those
 * who run it announce.
 */
function showRemarks(place, me, loadTold) {
  const remarks = me?.remarks ?? [];
  const told = h("div", { role: "status" });
  replace(
    place,
    remarks.map((remark) => noticeBox("warn", h("p", {}, said(remark)))),
    told,
  );
  const isTold = me?.announcements.length > 0;
  place.hidden = !remarks.length && !isTold;
  if (isTold) loadTold().then((module) => module.showAnnouncements(told));
}

function logo() {
  return h(
    "a",
    { class: "logo", href: "/", "aria-label": "Opsicle" },
    h("img", { src: "/logo.svg", alt: "", width: "24", height: "24" }),
    h("span", {}, "Opsicle"),
  );
}

function skipTo(event, outlet) {
  event.preventDefault();
  (outlet.querySelector("h1") ?? outlet).focus();
}
