// Starts here: who is logged in, which page stands behind the address, what surrounds it.

import { announce } from "./components/announcer.js";
import { button } from "./components/buttons.js";
import { closeDialogs } from "./components/dialogs.js";
import { loading, pageHeading, setTitle } from "./components/headings.js";
import { startKeys } from "./components/keys.js";
import { problemBox } from "./components/problems.js";
import { buildShell } from "./components/shell.js";
import { stepUp } from "./components/step-up.js";
import { get, loadMe, logOut, onSessionEnded, onStepUpRequired } from "./lib/api.js";
import { dropStaleDrafts, putDraftsAside } from "./lib/drafts.js";
import { t } from "./lib/language.js";
import { setWindowsOrg, withoutOrg } from "./lib/org-address.js";
import { here, navigate, startRouter } from "./lib/router.js";
import { loadErrors } from "./lib/server-texts.js";
import { setMe, whoAmI } from "./lib/session.js";
import { startTheme } from "./lib/theme.js";
import { refreshTimes } from "./lib/times.js";
import { LOGIN, NOT_FOUND, PAGES } from "./page-table.js";

const TICK_MS = 1_000;

let isOpen = false; // whether what is shown asks for no login
let unmount = () => {};
let latest = {}; // the turn of the page that was asked for last

/** A browser may not ask twice for a module that failed, and a newer server has another one. */
const NOT_LOADED = {
  title: t`This page could not be loaded`,
  detail: t`The server does not answer, or has been updated since this window was opened.`,
  hint: t`Load it again; if that does not help, see whether the server is running.`,
};

async function start() {
  startTheme();
  const loadTold = () => import("./components/announcements.js");
  const frame = { pages: PAGES, logOut: leave, loadTold };
  const { outlet, refresh } = buildShell(document.body, frame);
  onSessionEnded(logInAgain);
  onStepUpRequired(stepUp);
  setInterval(refreshTimes, TICK_MS);
  startKeys(() => import("./components/key-dialog.js"));
  try {
    if (!(await loadMe())) await leadToSetup();
  } catch (error) {
    outlet.append(problemBox(error));
    return;
  }
  let isFirst = true;
  startRouter(PAGES, (entry = NOT_FOUND, params) => {
    show(outlet, entry, params, isFirst);
    refresh(withoutOrg(location.pathname));
    isFirst = false;
  });
  setTimeout(loadErrors, TICK_MS);
}

/**
 * Ask for the login over the page, which goes on as it is once the same person is back. For anybody
 * else it begins anew; for nobody it gives way to the login.
 */
async function logInAgain(person) {
  if (isOpen) setMe(null);
  if (isOpen || !person) return false;
  try {
    const { askLogin } = await import("./components/login-dialog.js");
    if (await askLogin(person)) return true;
  } catch (error) {
    console.debug(error); // a newer server has other modules
    setMe(null);
  }
  if (!whoAmI()) putDraftsAside(person, here());
  closeDialogs(); // they belong to the page that goes
  navigate(here(), { isReplacing: true });
  return false;
}

/** Nobody can log in to a server without an org: where one would, one sets it up. */
async function leadToSetup() {
  if (!["/", LOGIN.path].includes(withoutOrg(location.pathname))) return;
  if ((await get("/setup")).is_needed) history.replaceState(null, "", "/setup");
}

/**
 * Put a page in the place of the one before; the login, if the page asks for one. A page that is
 * shown for the first time is loaded; until then nothing stands there that could be used.
 */
async function show(outlet, entry, params, isFirst) {
  unmount();
  unmount = () => {};
  const turn = (latest = {});
  isOpen = entry.group === "open";
  const shown = isOpen || whoAmI() ? entry : LOGIN;
  window.scrollTo(0, 0);
  setTitle(shown.title);
  if (!shown.page) {
    outlet.replaceChildren(loading("page"));
    const problem = await load(shown);
    if (latest !== turn) return; // another page is wanted by now
    if (problem) outlet.replaceChildren(pageHeading(shown.title), problem);
  }
  if (shown.page) {
    outlet.replaceChildren();
    unmount = shown.page.mount(outlet, { ...params, title: shown.title }) ?? (() => {});
    dropStaleDrafts(here());
  }
  focusPage(outlet, isFirst);
}

/** Load a page's module; give what to show in its place if it cannot be had. */
async function load(entry) {
  try {
    entry.page = await entry.load();
    return null;
  } catch (error) {
    console.debug(error);
    const again = button(t`Load again`, { onclick: () => location.reload() });
    return problemBox(NOT_LOADED, again);
  }
}

async function leave() {
  await logOut();
  setWindowsOrg("");
  navigate(LOGIN.path);
}

/** A new page begins at its heading, for those who do not see that it changed. */
function focusPage(outlet, isFirst) {
  if (outlet.contains(document.activeElement)) return; // the page has chosen for itself
  const heading = outlet.querySelector("h1");
  if (!isFirst) heading?.focus({ preventScroll: true });
  if (!isFirst) announce(document.title);
}

start();
