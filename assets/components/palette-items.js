// What the palette offers: { kind, title, detail, text, symbol, href | run, isOffered }. `text` is
// what is searched; `isOffered` says that it is shown before anything is typed.

import { get, getAll } from "../lib/api.js";
import { may } from "../lib/session.js";
import { pathOf } from "../lib/templates.js";
import { toggleTheme } from "../lib/theme.js";
import { visible } from "../lib/visible.js";
import { showKeys } from "./keys.js";
import { stateText } from "./states.js";
import { t } from "../lib/language.js";

const AUTOMATIONS = 100; // the newest; older ones are led to by their template, or by their id
const ID = /^[0-9a-hjkmnp-tv-z]{26}$/;

/** What needs nothing from the server. */
export function actionsAndPages(pages, logOut) {
  return [...doable(logOut), ...pages.filter(isShown).map(pageItem)];
}

function isShown({ group, may: action, icon: symbol }) {
  const isLedTo = ["main", "manage", "account"].includes(group);
  return (isLedTo || (group === "inside" && symbol)) && (!action || may(action));
}

function pageItem({ path, title, icon: symbol = "user" }) {
  return item(t`Pages`, { title, symbol, href: path });
}

function doable(logOut) {
  const offered = [
    may("templates.push") && { title: t`Push a template`, symbol: "plus", href: "/push" },
    may("automations.view") && { title: t`Search the logs`, symbol: "search", href: "/logs" },
    may("workers.manage") && { title: t`Add a worker`, symbol: "plus", href: "/workers?add=own" },
    { title: t`Switch between light and dark`, symbol: "dark", run: toggleTheme },
    { title: t`Show the keys`, symbol: "search", run: showKeys },
    { title: t`Log out`, symbol: "user", run: logOut },
  ];
  return offered.filter(Boolean).map((each) => item(t`Actions`, { isOffered: true, ...each }));
}

/**
 * Ask the server for all that the person may see, each kind by itself; `add(items)` gets them as
 * they come. What cannot be had is left out: the pages themselves say why.
 */
export function loadedThings(signal, add) {
  for (const [action, load] of KINDS)
    if (may(action))
      load(signal).then(
        (items) => signal.aborted || add(items),
        () => {},
      );
}

const KINDS = [
  ["templates.view", templates],
  ["automations.view", automations],
  ["workers.view", workers],
  ["users.view", people],
];

async function templates(signal) {
  const found = await getAll("/templates", { signal });
  const offer = (template) => {
    const title = visible(template.display_name || template.name);
    const detail = title === template.name ? "" : template.name;
    const path = pathOf(template);
    const labels = Object.entries(template.labels).map((pair) => pair.join("="));
    const text = [template.name, title, ...labels].join(" ");
    const page = item(t`Templates`, { title, detail, text, symbol: "templates", href: path });
    const ran = may("automations.view") ? [runsOf(template.name, title, text)] : [];
    if (!may("automations.create")) return [page, ...ran];
    const run = { title: t`Run ${title}`, detail, symbol: "run", href: `${path}/run` };
    return [page, ...ran, item(t`Run`, { ...run, text: t`run ${text}`, isOffered: true })];
  };
  return found.flatMap(offer);
}

/** All that a template has run, however old. */
function runsOf(name, title, text) {
  const href = `/automations?template=${encodeURIComponent(name)}`;
  return item(t`All runs`, { title: t`Runs of ${title}`, text, symbol: "automations", href });
}

/** The automation whose id is typed, of which nothing has been asked. */
export function byId(typed) {
  if (!ID.test(typed) || !may("automations.view")) return [];
  const href = `/automations/${typed}`;
  return [item(t`Automations`, { title: typed, symbol: "automations", href })];
}

async function automations(signal) {
  const { items } = await get("/automations", { query: { limit: AUTOMATIONS }, signal });
  return items.map(({ id, template, state, reason, requester }) => {
    const who = visible(requester.name || requester.email);
    const detail = [stateText(state), who, visible(reason)].filter(Boolean).join(" · ");
    const text = `${template} ${detail} ${id}`;
    const place = { symbol: state, href: `/automations/${id}` };
    return item(t`Automations`, { title: template, detail, text, ...place });
  });
}

async function workers(signal) {
  const found = await getAll("/workers", { signal });
  return found.map(({ name, labels }) => {
    const detail = Object.entries(labels).map((pair) => pair.join("="));
    const title = visible(name);
    return item(t`Workers`, {
      title,
      detail: visible(detail.join(", ")),
      symbol: "workers",
      href: `/workers/${encodeURIComponent(name)}`,
    });
  });
}

async function people(signal) {
  const found = await getAll("/users", { signal });
  return found.map(({ name, email, role }) =>
    item(t`People`, {
      title: visible(name || email),
      detail: `${visible(email)} · ${role}`,
      symbol: "people",
      href: `/people?show=${encodeURIComponent(email)}`,
    }),
  );
}

function item(kind, { title, detail = "", text = `${title} ${detail}`, ...more }) {
  return { kind, title, detail, text, isOffered: false, ...more };
}
