// Starts here: who is logged in, which page stands behind the address, what surrounds it.

import { announce } from "./components/announcer.js";
import { buildShell } from "./components/shell.js";
import { closeDialogs } from "./components/dialogs.js";
import { loadMe, logOut, onLoggedOut, onStepUpRequired } from "./lib/api.js";
import { problemBox } from "./components/problems.js";
import { stepUp } from "./components/step-up.js";
import { dropStaleDrafts, putDraftsAside } from "./lib/drafts.js";
import { here, navigate, route, startRouter } from "./lib/router.js";
import { whoAmI } from "./lib/session.js";
import { startTheme } from "./lib/theme.js";
import { refreshTimes } from "./lib/times.js";
import * as approval from "./pages/approval.js";
import * as approvals from "./pages/approvals.js";
import * as audit from "./pages/audit.js";
import * as automation from "./pages/automation.js";
import * as automations from "./pages/automations.js";
import * as channels from "./pages/channels.js";
import * as forgotten from "./pages/forgotten.js";
import * as invitation from "./pages/invitation.js";
import * as login from "./pages/login.js";
import * as notFound from "./pages/not-found.js";
import * as people from "./pages/people.js";
import * as policies from "./pages/policies.js";
import * as profile from "./pages/profile.js";
import * as reset from "./pages/reset.js";
import * as roles from "./pages/roles.js";
import * as run from "./pages/run.js";
import * as secrets from "./pages/secrets.js";
import * as setup from "./pages/setup.js";
import * as template from "./pages/template.js";
import * as templatePush from "./pages/template-push.js";
import * as templates from "./pages/templates.js";
import * as tokens from "./pages/tokens.js";
import * as workers from "./pages/workers.js";

const TICK_MS = 1_000;
const OPEN_TO_ALL = ["/login", "/setup", "/reset", "/invitation", "/forgotten"];

route("/login", login);
route("/setup", setup);
route("/reset", reset);
route("/invitation", invitation);
route("/forgotten", forgotten);
for (const [pattern, page] of [
  ["/", templates],
  ["/templates", templates],
  ["/push", templatePush],
  ["/templates/:name", template],
  ["/templates/:name/push", templatePush],
  ["/templates/:name/run", run],
  ["/automations", automations],
  ["/automations/:id", automation],
  ["/approvals", approvals],
  ["/approvals/:id", approval],
  ["/policies", policies],
  ["/workers", workers],
  ["/people", people],
  ["/roles", roles],
  ["/profile", profile],
  ["/tokens", tokens],
  ["/secrets", secrets],
  ["/channels", channels],
  ["/audit", audit],
  [".*", notFound],
]) {
  route(pattern, {
    mount: (root, params) => (whoAmI() ? page.mount(root, params) : login.mount(root, params)),
  });
}

async function start() {
  startTheme();
  const { outlet, refresh } = buildShell(document.body, { logOut: leave });
  onLoggedOut((person) => {
    if (OPEN_TO_ALL.includes(location.pathname)) return;
    putDraftsAside(person, here());
    closeDialogs(); // they belong to the page that goes
    navigate(here(), { isReplacing: true }); // shows the login, then this
  });
  onStepUpRequired(stepUp);
  setInterval(refreshTimes, TICK_MS);
  document.addEventListener("keydown", focusSearch);
  try {
    await loadMe();
  } catch (error) {
    outlet.append(problemBox(error));
    return;
  }
  let isFirst = true;
  startRouter(outlet, (path) => {
    dropStaleDrafts(here());
    refresh(path);
    focusPage(outlet, isFirst);
    isFirst = false;
  });
}

async function leave() {
  await logOut();
  navigate("/login");
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
