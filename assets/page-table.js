// Every page: its address, its title, who may see it, the menu and the icon that lead to it.
//
// Navigation, router and the tests' walk over all pages read this table. The title is the heading
// and the browser tab's title, until the page knows a better one. Who may see a page is an action
// of the permission table; none: everybody who is logged in.

import * as approval from "./pages/approval.js";
import * as approvals from "./pages/approvals.js";
import * as audit from "./pages/audit.js";
import * as automation from "./pages/automation.js";
import * as automations from "./pages/automations.js";
import * as channels from "./pages/channels.js";
import * as forgotten from "./pages/forgotten.js";
import * as home from "./pages/home.js";
import * as invitation from "./pages/invitation.js";
import * as login from "./pages/login.js";
import * as logs from "./pages/logs.js";
import * as notFound from "./pages/not-found.js";
import * as people from "./pages/people.js";
import * as policies from "./pages/policies.js";
import * as schedules from "./pages/schedules.js";
import * as profile from "./pages/profile.js";
import * as reset from "./pages/reset.js";
import * as roles from "./pages/roles.js";
import * as run from "./pages/run.js";
import * as secrets from "./pages/secrets.js";
import * as setup from "./pages/setup.js";
import * as target from "./pages/target.js";
import * as targets from "./pages/targets.js";
import * as template from "./pages/template.js";
import * as templatePush from "./pages/template-push.js";
import * as templates from "./pages/templates.js";
import * as tokens from "./pages/tokens.js";
import * as triggers from "./pages/triggers.js";
import * as workers from "./pages/workers.js";

/** Shown where nobody is logged in. */
export const LOGIN = { path: "/login", title: "Log in", page: login, group: "open" };

/** Shown where no page is. */
export const NOT_FOUND = { title: "Nothing here", page: notFound };

/**
 * The pages by where a link to them stands; nothing leads to what is "inside" but pages, and
 * "open" needs no login.
 */
const GROUPS = {
  main: [
    ["/", "Home", home, "", "home"],
    ["/templates", "Templates", templates, "templates.view", "templates"],
    ["/automations", "Automations", automations, "automations.view", "automations"],
    ["/approvals", "Approvals", approvals, "approvals.view", "approvals"],
    ["/workers", "Workers", workers, "workers.view", "workers"],
    ["/targets", "Targets", targets, "targets.view", "targets"],
    ["/schedules", "Schedules", schedules, "schedules.view", "schedules"],
    ["/triggers", "Triggers", triggers, "triggers.view", "triggers"],
  ],
  manage: [
    ["/people", "People", people, "users.view", "people"],
    ["/roles", "Roles and groups", roles, "roles.view", "roles"],
    ["/policies", "Policies", policies, "policies.view", "policies"],
    ["/secrets", "Secrets", secrets, "secrets.view", "secrets"],
    ["/channels", "Channels", channels, "channels.view", "channels"],
    ["/audit", "Audit", audit, "audit.view", "audit"],
  ],
  account: [
    ["/profile", "Profile", profile],
    ["/tokens", "API tokens", tokens],
  ],
  inside: [
    ["/push", "Push a template", templatePush, "templates.push"],
    ["/templates/:name", "Template", template, "templates.view"],
    ["/templates/:name/push", "New version", templatePush, "templates.push"],
    ["/templates/:name/run", "Run", run, "automations.create"],
    ["/targets/:name", "Target", target, "targets.view"],
    ["/automations/:id", "Automation", automation, "automations.view"],
    ["/logs", "Search the logs", logs, "automations.view"],
    ["/approvals/:id", "Approval", approval, "approvals.view"],
  ],
  open: [
    ["/setup", "Set up this server", setup],
    ["/forgotten", "Forgotten password", forgotten],
    ["/reset", "Set a new password", reset],
    ["/invitation", "Invitation", invitation],
  ],
};

export const PAGES = Object.entries(GROUPS).flatMap(([group, rows]) =>
  rows.map(([path, title, page, may, icon]) => ({ group, path, title, page, may, icon })),
);
PAGES.push(LOGIN);
