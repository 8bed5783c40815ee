// Every page: its address, its title, who may see it, the menu and the icon that lead to it.
//
// Navigation, router and the tests' walk over all pages read this table. The title is the heading
// and the browser tab's title, until the page knows a better one. Who may see a page is an action
// of the permission table; none: everybody who is logged in. A page's module is
// loaded when the page is shown.

import { t } from "./lib/language.js";

const access = () => import("./pages/access.js");
const approval = () => import("./pages/approval.js");
const approvals = () => import("./pages/approvals.js");
const audit = () => import("./pages/audit.js");
const automation = () => import("./pages/automation.js");
const automations = () => import("./pages/automations.js");
const channels = () => import("./pages/channels.js");
const forgotten = () => import("./pages/forgotten.js");
const home = () => import("./pages/home.js");
const invitation = () => import("./pages/invitation.js");
const login = () => import("./pages/login.js");
const joinTokens = () => import("./pages/join-tokens.js");
const logs = () => import("./pages/logs.js");
const notFound = () => import("./pages/not-found.js");
const people = () => import("./pages/people.js");
const planned = () => import("./pages/planned.js");
const policies = () => import("./pages/policies.js");
const schedules = () => import("./pages/schedules.js");
const profile = () => import("./pages/profile.js");
const reset = () => import("./pages/reset.js");
const roles = () => import("./pages/roles.js");
const run = () => import("./pages/run.js");
const secrets = () => import("./pages/secrets.js");
const server = () => import("./pages/server.js");
const setup = () => import("./pages/setup.js");
const target = () => import("./pages/target.js");
const targets = () => import("./pages/targets.js");
const targetLastRuns = () => import("./pages/target-last-runs.js");
const template = () => import("./pages/template.js");
const templatePush = () => import("./pages/template-push.js");
const templates = () => import("./pages/templates.js");
const tokens = () => import("./pages/tokens.js");
const triggers = () => import("./pages/triggers.js");
const usage = () => import("./pages/usage.js");
const worker = () => import("./pages/worker.js");
const workers = () => import("./pages/workers.js");

/** Shown where nobody is logged in. */
export const LOGIN = { path: "/login", title: t`Log in`, load: login, group: "open" };

/** Shown where no page is. */
export const NOT_FOUND = { title: t`Nothing here`, load: notFound };

/**
 * The pages by where a link to them stands; nothing leads to what is "inside" but pages, and where
 * it has an icon the search, and "open" needs no login.
 */
const GROUPS = {
  main: [
    ["/", t`Home`, home, "", "home"],
    ["/templates", t`Templates`, templates, "templates.view", "templates"],
    ["/automations", t`Automations`, automations, "automations.view", "automations"],
    ["/approvals", t`Approvals`, approvals, "approvals.view", "approvals"],
    ["/workers", t`Workers`, workers, "workers.view", "workers"],
    ["/targets", t`Targets`, targets, "targets.view", "targets"],
    ["/schedules", t`Schedules`, schedules, "schedules.view", "schedules"],
    ["/triggers", t`Triggers`, triggers, "triggers.view", "triggers"],
  ],
  manage: [
    ["/people", t`People`, people, "users.view", "people"],
    ["/roles", t`Roles and groups`, roles, "roles.view", "roles"],
    ["/policies", t`Policies`, policies, "policies.view", "policies"],
    ["/secrets", t`Secrets`, secrets, "secrets.view", "secrets"],
    ["/channels", t`Channels`, channels, "channels.view", "channels"],
    ["/audit", t`Audit`, audit, "audit.view", "audit"],
    ["/usage", t`Usage`, usage, "orgs.manage", "usage"],
    ["/server", t`Server`, server, "server.manage", "manage"],
  ],
  account: [
    ["/profile", t`Profile`, profile],
    ["/tokens", t`API tokens`, tokens],
  ],
  inside: [
    ["/push", t`Push a template`, templatePush, "templates.push"],
    ["/templates/:name", t`Template`, template, "templates.view"],
    ["/templates/:name/push", t`New version`, templatePush, "templates.push"],
    ["/templates/:name/run", t`Run`, run, "automations.create"],
    ["/targets/:name", t`Target`, target, "targets.view"],
    ["/target-last-runs", t`Last runs on targets`, targetLastRuns, "targets.view", "targets"],
    ["/workers/:name", t`Worker`, worker, "workers.view"],
    ["/access", t`Who may do what`, access, "users.view", "people"],
    ["/join-tokens", t`Join tokens`, joinTokens, "workers.manage", "workers"],
    ["/planned", t`Planned starts`, planned, "automations.view", "schedules"],
    ["/automations/:id", t`Automation`, automation, "automations.view"],
    ["/logs", t`Search the logs`, logs, "automations.view"],
    ["/approvals/:id", t`Approval`, approval, "approvals.view"],
  ],
  open: [
    ["/setup", t`Set up this server`, setup],
    ["/forgotten", t`Forgotten password`, forgotten],
    ["/reset", t`Set a new password`, reset],
    ["/invitation", t`Invitation`, invitation],
  ],
};

export const PAGES = Object.entries(GROUPS).flatMap(([group, rows]) =>
  rows.map(([path, title, load, may, icon]) => ({ group, path, title, load, may, icon })),
);
PAGES.push(LOGIN);
