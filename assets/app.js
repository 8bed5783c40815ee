// Starts here: who is logged in, which page stands behind the address, what surrounds it.

import { announce } from "./components/announcer.js";
import { closeDialogs } from "./components/dialogs.js";
import { setTitle } from "./components/headings.js";
import { problemBox } from "./components/problems.js";
import { buildShell } from "./components/shell.js";
import { stepUp } from "./components/step-up.js";
import { get, loadMe, logOut, onLoggedOut, onStepUpRequired } from "./lib/api.js";
import { dropStaleDrafts, putDraftsAside } from "./lib/drafts.js";
import { here, navigate, startRouter } from "./lib/router.js";
import { whoAmI } from "./lib/session.js";
import { startTheme } from "./lib/theme.js";
import { refreshTimes } from "./lib/times.js";
import { LOGIN, NOT_FOUND, PAGES } from "./page-table.js";

const TICK_MS = 1_000;

let isOpen = false; // whether what is shown asks for no login
let unmount = () => {};

async function start() {
  startTheme();
  const { outlet, refresh } = buildShell(document.body, { pages: PAGES, logOut: leave });
  onLoggedOut((person) => {
    if (isOpen) return;
    putDraftsAside(person, here());
    closeDialogs(); // they belong to the page that goes
    navigate(here(), { isReplacing: true }); // shows the login, then this
  });
  onStepUpRequired(stepUp);
  setInterval(refreshTimes, TICK_MS);
  document.addEventListener("keydown", focusSearch);
  try {
    if (!(await loadMe())) await leadToSetup();
  } catch (error) {
    outlet.append(problemBox(error));
    return;
  }
  let isFirst = true;
  startRouter(PAGES, (entry = NOT_FOUND, params) => {
    show(outlet, entry, params);
    dropStaleDrafts(here());
    refresh(location.pathname);
    focusPage(outlet, isFirst);
    isFirst = false;
  });
}

/** Nobody can log in to a server without an org: where one would, one sets it up. */
async function leadToSetup() {
  if (!["/", LOGIN.path].includes(location.pathname)) return;
  if ((await get("/setup")).is_needed) history.replaceState(null, "", "/setup");
}

/** Put a page in the place of the one before; the login, if the page asks for one. */
function show(outlet, entry, params) {
  unmount();
  isOpen = entry.group === "open";
  const { title, page } = isOpen || whoAmI() ? entry : LOGIN;
  window.scrollTo(0, 0);
  outlet.replaceChildren();
  setTitle(title);
  unmount = page.mount(outlet, { ...params, title }) ?? (() => {});
}

async function leave() {
  await logOut();
  navigate(LOGIN.path);
}

/** A new page begins at its heading, for those who do not see that it changed. */
function focusPage(outlet, isFirst) {
  if (outlet.contains(document.activeElement)) return; // the page has chosen for itself
  const heading = outlet.querySelector("h1");
  if (!isFirst) heading?.focus({ preventScroll: true });
  if (!isFirst) announce(document.title);
}

/** "/" goes to the page's search, as in many tools. */
function focusSearch(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const search = document.querySelector('main input[type="search"]');
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
}

start();
