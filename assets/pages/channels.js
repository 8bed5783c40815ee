// The org's channels and what goes out through them. No page ever shows a credential.

import { button } from "../components/buttons.js";
import { openChangeForm, openChannelForm } from "../components/channel-form.js";
import { ask, confirm, opensWith } from "../components/dialogs.js";
import { chipsFilter, menuFilter, searchFilter } from "../components/filters.js";
import { ADMINS, firstOne } from "../components/first-one.js";
import { pageHeading } from "../components/headings.js";
import { actionsColumn, column, List, remark } from "../components/list.js";
import { pairs } from "../components/pairs.js";
import { spanFilter } from "../components/span-filter.js";
import { stateBadge, stateChoice } from "../components/states.js";
import { getAll, patch, post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { number, plural, t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";
import { may } from "../lib/session.js";
import { ago, exactTime, soon } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const STATES = ["queued", "sending", "delivered", "failed", "gave_up"];
const SHOWN = { failed: "retrying" }; // red is for what is given up

const KINDS = [
  ["approval_requested", t`requests`],
  ["approval_reminder", t`reminders`],
  ["approval_escalated", t`escalations`],
  ["approval_ended", t`decided`],
  ["automation_finished", t`ends`],
  ["start_refused", t`refused starts`],
  ["channel_test", t`tests`],
  ["invitation", t`invitations`],
];

const RETRYABLE = ["failed", "gave_up"];

export function mount(root, { title, query }) {
  const page = new AbortController();
  const reload = () => {
    channels.reload();
    deliveries.reload();
  };
  const channels = new List({
    label: title,
    endpoint: "/channels",
    columns: [...CHANNEL, actionsColumn((channel) => channelActions(channel, reload))],
    key: ({ name }) => name,
    show: (channel) => changing(channel, reload),
    empty: nothingYet,
    signal: page.signal,
  });
  const deliveries = new List({
    label: t`Deliveries`,
    look: "delivery-rows",
    endpoint: "/deliveries",
    columns: [...DELIVERY, actionsColumn((delivery) => retryButton(delivery, reload))],
    show: (delivery) => () => showDelivery(delivery),
    filters: deliveryFilters(query),
    empty: (isNarrowed) =>
      h("p", { class: "muted" }, isNarrowed ? t`No delivery fits.` : t`Nothing has gone out yet.`),
    signal: page.signal,
  });
  const open = opensWith(
    () => getAll("/channel-kinds", page),
    (kinds) => openChannelForm(kinds, reload),
  );
  const create =
    may("channels.manage") &&
    button(t`New channel…`, { look: "primary", name: "plus", onclick: open });
  const about = t`How people are told of what needs them, besides these pages.`;
  root.append(
    pageHeading(title, { actions: create, below: h("p", { class: "muted" }, about) }),
    channels.element,
    h("section", { class: "part" }, h("h2", {}, t`Deliveries`), deliveries.element),
  );
  return () => page.abort();
}

function deliveryFilters(query) {
  const of = (name) => query.get(name);
  return [
    chipsFilter({
      name: "state",
      label: t`State`,
      value: of("state"),
      choices: [{ value: "", content: t`any state` }, ...STATES.map(stateOffered)],
    }),
    menuFilter({
      name: "kind",
      label: t`any kind`,
      value: of("kind"),
      choices: KINDS,
    }),
    searchFilter({
      name: "recipient",
      value: of("recipient"),
      placeholder: t`To anybody`,
      "aria-label": t`To, a part of an address`,
      class: "input medium",
    }),
    spanFilter(query),
  ];
}

const CHANNEL = [
  column(t`Name`, ({ name }) => h("strong", {}, name)),
  column(t`Kind`, ({ kind }) => kind),
  column(t`State`, ({ is_enabled: isOn }) => (isOn ? t`on` : t`off`)),
  column(t`Waiting`, ({ open_deliveries: count }) =>
    plural(count, { one: t`1 message`, other: t`${number(count)} messages` }),
  ),
  column(t`Changed`, ({ updated_at: at }) => ago(at), { card: "none" }),
];

/** What opens the form with the settings of a channel; null for who may not change them. */
function changing(channel, done) {
  if (!may("channels.manage")) return null;
  return opensWith(
    () => getAll("/channel-kinds"),
    (kinds) => openChangeForm(channel, kinds, done),
  );
}

function channelActions(channel, done) {
  const { name, is_enabled: isOn } = channel;
  if (!may("channels.manage")) return null;
  const path = { channel: name };
  const turn = isOn ? t`Turn off` : t`Turn on`;
  const test = () =>
    confirm({
      title: t`Try ${name}?`,
      text: t`A message is sent to you through it. Its delivery says what became of it.`,
      action: t`Send it`,
      look: "primary",
      run: () => post("/channels/{channel}/test", { path, body: {} }),
      done,
    });
  const toggle = () =>
    confirm({
      title: isOn ? t`Turn ${name} off?` : t`Turn ${name} on?`,
      text: isOn ? t`What waits, waits on; nothing new is queued.` : t`What waits is sent at once.`,
      action: isOn ? t`Turn it off` : t`Turn it on`,
      look: "primary",
      run: () => patch("/channels/{channel}", { path, body: { is_enabled: !isOn } }),
      done,
    });
  const end = () =>
    confirm({
      title: t`Delete ${name}?`,
      text: t`Its deliveries go with it, those that wait included.`,
      action: t`Delete the channel`,
      run: () => remove("/channels/{channel}", { path }),
      done,
    });
  const act = (verb, label, onclick) =>
    button(t`${verb}…`, { look: "quiet", "aria-label": label, onclick });
  return [
    isOn && act(t`Test`, t`Test ${name}`, test),
    act(t`Change`, t`Change ${name}`, changing(channel, done)),
    act(turn, isOn ? t`Turn off ${name}` : t`Turn on ${name}`, toggle),
    act(t`Delete`, t`Delete ${name}`, end),
  ];
}

const DELIVERY = [
  column(t`What`, (delivery) => [h("strong", {}, visible(delivery.subject)), trouble(delivery)]),
  column(t`State`, deliveryState),
  column(t`Channel`, ({ channel }) => channel, { isMinor: true }),
  column(t`To`, ({ recipient }) => visible(recipient) || t`its URL`, { isMinor: true }),
  column(t`When`, ({ created_at: at }) => ago(at), { isMinor: true }),
];

/** All of a message that stands in its row, and what is cut off there. */
function showDelivery(delivery) {
  const { subject, channel, recipient, created_at: at } = delivery;
  const { attempts: made, last_error: error } = delivery;
  const rows = [
    [t`State`, deliveryState(delivery)],
    error && [t`Reason`, visible(said(error))],
    [t`Attempts`, number(made)],
    [t`Channel`, channel],
    [t`To`, visible(recipient) || t`its URL`],
    [t`When`, exactTime(at)],
  ];
  const content = pairs(rows.filter(Boolean));
  ask({ title: visible(subject), content, actions: [], back: t`Close` });
}

function stateOffered(state) {
  return { ...stateChoice(SHOWN[state] ?? state), value: state };
}

/** Its state, and when it is tried again if it is. */
function deliveryState({ state, next_attempt_at: next }) {
  return stateBadge(SHOWN[state] ?? state, state === "failed" && next && soon(next));
}

/** Why it did not get out, and how often that was tried. */
function trouble({ state, last_error: error, attempts: made }) {
  if (made < 2 && !RETRYABLE.includes(state)) return null;
  const count = plural(made, { one: t`1 attempt`, other: t`${number(made)} attempts` });
  return remark([count, error && [" · ", visible(said(error))]]);
}

function retryButton({ id, state, subject }, done) {
  if (!may("channels.manage") || !RETRYABLE.includes(state)) return null;
  const onclick = () =>
    confirm({
      title: t`Try again now?`,
      text: visible(subject),
      action: t`Try again`,
      look: "primary",
      run: () => post("/deliveries/{delivery_id}/retry", { path: { delivery_id: id }, body: {} }),
      done,
    });
  return button(t`Retry…`, { look: "quiet", "aria-label": t`Retry ${subject}`, onclick });
}

function nothingYet() {
  const text = t`Until there is one, people learn only here what they are asked. Make one for e-mail, Telegram or a webhook.`;
  return firstOne(t`No channels`, text, {
    takes: "channels.manage",
    command: "opsicle channels create mail --kind email",
    by: ADMINS,
  });
}
