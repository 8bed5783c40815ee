// One template: what it does, what it asks for, how it went, how it changed.

import { buttonLink } from "../components/buttons.js";
import { pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { noticeBox, problemList } from "../components/problems.js";
import { sourceView } from "../components/source.js";
import { stateText } from "../components/states.js";
import { phasesView } from "../components/steps.js";
import { tabbed } from "../components/tabs.js";
import { placeView } from "../components/targets.js";
import { flowView } from "../components/template-flow.js";
import { historyView } from "../components/template-history.js";
import { templateContext } from "../components/template-context.js";
import { versionsView } from "../components/template-versions.js";
import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { queryText } from "../lib/query.js";
import { may } from "../lib/session.js";
import { getTemplate, pathOf } from "../lib/templates.js";
import { ago, durationText } from "../lib/times.js";
import { templateQueueTexts } from "../lib/placement.js";
import { environmentName, typeOf } from "../lib/values.js";
import { visible, visibleValue } from "../lib/visible.js";

export function mount(root, { name, query }) {
  const page = new AbortController();
  const content = h("div", {}, pageHeading(name));
  root.append(content);
  const load = () => loadAll(name, query.get("version"), page);
  loadInto(content, page.signal, load, ({ template, need }) => {
    const tabs = views({ template, need }, query, page);
    replace(content, heading(template), notices(template), tabs);
    content.querySelector("h1").focus({ preventScroll: true });
  });
  return () => page.abort();
}

async function loadAll(name, version, { signal }) {
  const path = { name };
  const [template, need] = await Promise.all([
    getTemplate(name, version, { signal }),
    get("/templates/{name}/approval", { path, query: { version }, signal }),
  ]);
  return { template, need };
}

function heading(template) {
  const path = pathOf(template);
  const isOld = template.version !== template.latest_version;
  const canRun = may("automations.create");
  const runPath = `${path}/run${queryText({ version: isOld && template.version })}`;
  const runsPath = `/automations${queryText({ template: template.name })}`;
  const pusher = visible(template.pushed_by.name || template.pushed_by.email);
  return pageHeading(visible(template.display_name || template.name), {
    above: [h("a", { href: "/templates" }, t`Templates`), " / ", h("code", {}, template.name)],
    actions: [
      may("templates.push") && buttonLink(t`New version`, `${path}/push`),
      buttonLink(t`Runs`, runsPath, { name: "automations" }),
      canRun && buttonLink(t`Run`, runPath, { look: "primary", name: "run" }),
    ],
    below: [
      template.description && h("p", { class: "lead" }, visible(template.description)),
      h("p", { class: "muted" }, pushedText(template, pusher), ownersText(template.owners)),
      template.message && h("p", { class: "version-message" }, visible(template.message)),
    ],
  });
}

function pushedText({ version, latest_version: latest, pushed_at: at }, pusher) {
  return version === latest
    ? t`version ${version}, pushed by ${pusher} ${ago(at)}`
    : t`version ${version} of ${latest}, pushed by ${pusher} ${ago(at)}`;
}

function ownersText(owners) {
  if (!owners.length) return null;
  const names = owners.map((owner, i) => [
    i ? ", " : "",
    owner.email
      ? h("a", { href: `mailto:${owner.email}` }, visible(owner.name || owner.email))
      : visible(owner.name ?? ""),
  ]);
  return [" · ", t`ask ${names}`];
}

function notices(template) {
  return [
    template.version !== template.latest_version &&
      noticeBox(
        "note",
        h(
          "p",
          {},
          t`This is an older version.`,
          " ",
          h("a", { href: pathOf(template) }, t`Show the newest`),
        ),
      ),
    template.warnings.length > 0 &&
      noticeBox("warn", h("strong", {}, t`Worth a look`), problemList(template.warnings)),
  ];
}

function views({ template, need }, query, page) {
  const { signal } = page;
  const all = [
    {
      key: "plan",
      text: t`What it does`,
      content: () => [flowView(template, need), planPanel(template, need, signal)],
    },
    may("automations.view") && {
      key: "history",
      text: t`History`,
      content: () => historyView(template, query, signal),
    },
    {
      key: "source",
      text: t`Source`,
      content: () => sourceView(template.source, template.warnings),
    },
    { key: "versions", text: t`Versions`, content: () => versionsView(template, signal) },
  ];
  return tabbed({ label: t`Views of the template`, query, views: all.filter(Boolean) }).element;
}

function planPanel(template, need, signal) {
  return h(
    "div",
    { class: "columns" },
    h(
      "section",
      {},
      h("h2", {}, t`Phases`),
      phasesView(template),
      h("h2", {}, t`Variables`),
      template.variables.length
        ? variablesTable(template.variables)
        : h("p", { class: "muted" }, t`It asks for nothing.`),
    ),
    h(
      "section",
      {},
      h("h2", {}, t`Where it runs`),
      placeView(template),
      whereItRan(template),
      templateQueueTexts(template).map((text) => h("p", {}, visible(text), ".")),
      template.keep_workspace &&
        h(
          "p",
          {},
          t`The workspace of a job that does not go well is kept for ${durationText(template.keep_workspace * 1000)}.`,
        ),
      template.notify.length > 0 && [
        h("h2", {}, t`Who hears how it ends`),
        h("p", {}, t`Whoever ran it, and:`),
        h(
          "ul",
          {},
          template.notify.map((entry) => h("li", {}, visible(notifyText(entry)))),
        ),
      ],
      templateContext(template, need, signal),
    ),
  );
}

/** Leads to the targets with the version that last succeeded on each. */
function whereItRan({ name, fan_out: fanOut }) {
  const isShown = fanOut?.kind === "targets" && may("targets.view") && may("automations.view");
  const href = `/target-last-runs${queryText({ template: name })}`;
  return isShown && h("p", {}, h("a", { href }, t`Last runs on targets`));
}

function notifyText({ states = [], users = [], groups = [], chats = [] }) {
  const named = [
    ...users,
    ...groups.map((name) => t`group ${name}`),
    ...chats.map(({ channel, id }) => t`${channel} room ${id}`),
  ];
  const ends = states.map(stateText).join(", ");
  return `${named.join(", ")} (${ends || t`however it ends`})`;
}

function variablesTable(variables) {
  const rows = variables.map((variable) =>
    h(
      "div",
      { class: "variable" },
      h(
        "dt",
        {},
        visible(variable.label || variable.id),
        " ",
        h("code", { class: "muted" }, environmentName(variable.id)),
      ),
      h(
        "dd",
        {},
        h(
          "span",
          { class: "fact" },
          variable.multiple ? t`${typeOf(variable)}, several` : typeOf(variable),
        ),
        variable.is_required && h("span", { class: "fact" }, t`required`),
        variable.options?.length > 0 &&
          h("span", { class: "fact" }, visible(variable.options.join(" | "))),
        variable.default !== undefined &&
          variable.default !== null &&
          h(
            "span",
            { class: "fact" },
            t`default`,
            " ",
            h("code", {}, visibleValue(variable.default)),
          ),
        variable.description && h("p", {}, visible(variable.description)),
      ),
    ),
  );
  return h("dl", { class: "variables" }, rows);
}
