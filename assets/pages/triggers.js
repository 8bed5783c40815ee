// Triggers: which webhooks start what, how they were called, and pushing, pausing, new secrets.

import { button, copyButton } from "../components/buttons.js";
import { ask, confirm, opensWith } from "../components/dialogs.js";
import { firstOne, OPERATORS } from "../components/first-one.js";
import { pageHeading } from "../components/headings.js";
import { rowOf, tableOf } from "../components/list-table.js";
import { actionsColumn, column, List } from "../components/list.js";
import { keptNotice, noticeBox } from "../components/problems.js";
import { openPushDialog } from "../components/push-dialog.js";
import { sourceView } from "../components/source.js";
import { stateText } from "../components/states.js";
import { openSample } from "../components/trigger-sample.js";
import { get, post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { takeDraft } from "../lib/drafts.js";
import { t } from "../lib/language.js";
import { here } from "../lib/router.js";
import { said } from "../lib/server-texts.js";
import { may } from "../lib/session.js";
import { ago, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const SAMPLE = `apiVersion: v1
type: Trigger
metadata:
  name: disk-full
spec:
  template: clean-disk
  verify: alertmanager
  values:
    host: {pointer: /commonLabels/instance}
`;

const ABOUT = t`What comes in as a webhook runs a template, with values taken from it.`;

export function mount(root, { title }) {
  const page = new AbortController();
  const fresh = h("div", {});
  const list = new List({
    label: title,
    endpoint: "/triggers",
    columns: [...COLUMNS, actionsColumn((trigger) => actions(trigger, list, fresh))],
    key: ({ name }) => name,
    show: ({ name }) => showing(name, list, fresh),
    showNamed: (name) => showing(name, list, fresh),
    empty: () =>
      firstOne(t`No triggers`, t`A trigger runs a template when a webhook comes in.`, {
        takes: "triggers.manage",
        command: "opsicle triggers push FILE",
        by: OPERATORS,
      }),
    signal: page.signal,
  });
  const open = () => openPush(SAMPLE, list, fresh);
  const push =
    may("triggers.manage") && button(t`Push a trigger…`, { look: "primary", onclick: open });
  const below = h("p", { class: "muted" }, ABOUT);
  root.append(pageHeading(title, { actions: push, below }), fresh, list.element);
  const kept = takeDraft("trigger", here());
  if (kept !== null) openPush(kept, list, fresh, keptNotice());
  return () => page.abort();
}

const COLUMNS = [
  column(t`Name`, ({ name, state }) => [
    h("strong", {}, name),
    state !== "active" && h("div", { class: "muted small" }, stateText(state)),
  ]),
  column(t`Template`, ({ template }) => visible(template)),
  column(t`Sender`, ({ verify }) => verify, { card: "none" }),
  column(t`Last call`, ({ last_call: last }) => (last ? [outcome(last), " ", ago(last.at)] : "–")),
  column(t`Runs as`, ({ runs_as: person }) => visible(person.email), { isMinor: true }),
];

function outcome({ outcome: what, automation_id: id, automation_state: state, reason }) {
  const text = stateText(what === "started" ? (state ?? what) : what);
  const link = id && h("a", { href: `/automations/${id}` }, text);
  return [link || text, reason && h("div", { class: "muted small" }, visible(said(reason)))];
}

function showing(name, list, fresh) {
  const path = { trigger: name };
  const load = async () => [
    await get("/triggers/{trigger}", { path }),
    await get("/triggers/{trigger}/calls", { path }),
  ];
  return opensWith(load, ([trigger, calls]) => showTrigger(trigger, calls, list, fresh));
}

function actions({ name, state }, list, fresh) {
  const path = { trigger: name };
  const isPaused = state === "paused";
  const pause = async () => {
    await post(isPaused ? "/triggers/{trigger}/resume" : "/triggers/{trigger}/pause", { path });
    list.reload();
  };
  const renew = () =>
    confirm({
      title: t`A new secret for ${name}?`,
      text: t`The old one works no longer: whoever sends webhooks needs the new one.`,
      action: t`Make a new secret`,
      run: () => post("/triggers/{trigger}/secret", { path }),
      done: (made) => {
        replace(fresh, secretNotice(made));
        list.reload();
      },
    });
  const end = () =>
    confirm({
      title: t`Delete ${name}?`,
      text: t`It starts nothing any more, and its secret is gone. What it has started goes on.`,
      action: t`Delete the trigger`,
      run: () => remove("/triggers/{trigger}", { path }),
      done: list.reload,
    });
  const mayManage = may("triggers.manage");
  const verb = isPaused ? t`Resume` : t`Pause`;
  const look = "quiet";
  return [
    mayManage && button(verb, { look, "aria-label": `${verb} ${name}`, onclick: pause }),
    mayManage &&
      button(t`New secret…`, { look, "aria-label": t`New secret for ${name}`, onclick: renew }),
    mayManage &&
      button(t`Delete…`, {
        look: "quiet",
        "aria-label": t`Delete ${name}`,
        onclick: end,
      }),
  ];
}

function showTrigger(trigger, { items }, list, fresh) {
  const { name, url, source } = trigger;
  const sample = { text: t`Send a sample…`, look: "", run: () => openSample(trigger, list.reload) };
  const edit = { text: t`Change…`, look: "primary", run: () => openPush(source, list, fresh) };
  ask({
    title: name,
    content: [
      sentTo(url),
      h("h3", {}, t`Newest calls`),
      items.length ? callsTable(items) : h("p", { class: "muted" }, t`Nobody has called it yet.`),
      sourceView(source),
    ],
    actions: may("triggers.manage") ? [sample, edit] : [],
    isWide: true,
  });
}

function sentTo(url) {
  const address = h("code", {}, visible(url));
  return h("p", {}, t`Webhooks are sent to ${address}.`);
}

const CALL_COLUMNS = [
  column(t`At`, ({ at }) => exactTime(at)),
  column(t`Outcome`, outcome, { size: "tall" }),
  column(t`Values`, ({ values }) => valuesText(values), { size: "tall" }),
  column(t`From`, ({ address }) => visible(address)),
];

function callsTable(calls) {
  const rows = calls.map((call) => rowOf(CALL_COLUMNS, call, { name: call.at }));
  const body = h("tbody", { role: "rowgroup" }, rows);
  return tableOf(CALL_COLUMNS, body, { label: t`Newest calls` });
}

function valuesText(values) {
  return Object.entries(values).map(([name, value]) =>
    h("div", {}, visible(`${name}=${Array.isArray(value) ? value.join(", ") : value}`)),
  );
}

function secretNotice({ name, url, secret }) {
  return noticeBox(
    "note",
    h("strong", {}, t`${name}: copy its secret now, it is never shown again`),
    sentTo(url),
    h("pre", { class: "command-line", tabindex: "0" }, secret),
    copyButton(() => secret),
  );
}

function openPush(source, list, fresh, notice = null) {
  openPushDialog({
    noun: "trigger",
    source,
    push: async (text) => {
      const made = await post("/triggers", { body: { source: text } });
      if (made.secret) replace(fresh, secretNotice(made));
      return made;
    },
    pushed: list.reload,
    notice,
  });
}
