// The org's channels and what goes out through them. No page ever shows a credential.

import { button } from "../components/buttons.js";
import { openChannelForm } from "../components/channel-form.js";
import { confirm, opensWith } from "../components/dialogs.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { actionsColumn, column, List } from "../components/list.js";
import { stateBadge } from "../components/states.js";
import { getAll, patch, post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const RETRYABLE = ["failed", "gave_up"];

export function mount(root, { title }) {
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
    empty: nothingYet,
    signal: page.signal,
  });
  const deliveries = new List({
    label: "Deliveries",
    endpoint: "/deliveries",
    columns: [...DELIVERY, actionsColumn((delivery) => retryButton(delivery, reload))],
    empty: () => h("p", { class: "muted" }, "Nothing has gone out yet."),
    signal: page.signal,
  });
  const open = opensWith(
    () => getAll("/channel-kinds", page),
    (kinds) => openChannelForm(kinds, reload),
  );
  const create =
    may("channels.manage") &&
    button("New channel…", { look: "primary", name: "plus", onclick: open });
  const about = "How people are told of what needs them, besides these pages.";
  root.append(
    pageHeading(title, { actions: create, below: h("p", { class: "muted" }, about) }),
    channels.element,
    h("section", { class: "part" }, h("h2", {}, "Deliveries"), deliveries.element),
  );
  return () => page.abort();
}

const CHANNEL = [
  column("Name", ({ name }) => h("strong", {}, name)),
  column("Kind", ({ kind }) => kind),
  column("State", ({ is_enabled: isOn }) => (isOn ? "on" : "off")),
  column("Waiting", ({ open_deliveries: count }) => plural(count, "message")),
  column("Changed", ({ updated_at: at }) => ago(at)),
];

function channelActions({ name, is_enabled: isOn }, done) {
  if (!may("channels.manage")) return null;
  const path = { channel: name };
  const turn = isOn ? "off" : "on";
  const test = () =>
    confirm({
      title: `Try ${name}?`,
      text: "A message is sent to you through it. Its delivery says what became of it.",
      action: "Send it",
      look: "primary",
      run: () => post("/channels/{channel}/test", { path, body: {} }),
      done,
    });
  const toggle = () =>
    confirm({
      title: `Turn ${name} ${turn}?`,
      text: isOn ? "What waits, waits on; nothing new is queued." : "What waits is sent at once.",
      action: `Turn it ${turn}`,
      look: "primary",
      run: () => patch("/channels/{channel}", { path, body: { is_enabled: !isOn } }),
      done,
    });
  const end = () =>
    confirm({
      title: `Delete ${name}?`,
      text: "Its deliveries go with it, those that wait included.",
      action: "Delete the channel",
      run: () => remove("/channels/{channel}", { path }),
      done,
    });
  const act = (verb, onclick, look = "quiet") =>
    button(`${verb}…`, { look, "aria-label": `${verb} ${name}`, onclick });
  return [isOn && act("Test", test), act(`Turn ${turn}`, toggle), act("Delete", end, "quiet")];
}

const DELIVERY = [
  column("What", ({ subject, last_error: trouble }) => [
    h("strong", {}, visible(subject)),
    trouble && h("div", { class: "muted small" }, visible(trouble)),
  ]),
  column("State", (delivery) => [stateBadge(delivery.state), attempts(delivery)]),
  column("Channel", ({ channel }) => channel),
  column("To", ({ recipient }) => visible(recipient) || "its URL"),
  column("When", ({ created_at: at }) => ago(at)),
];

function attempts({ state, attempts: made, next_attempt_at: next }) {
  if (made < 2 && state !== "failed") return null;
  const again = state === "failed" && next && [", again ", ago(next)];
  return h("div", { class: "muted small" }, plural(made, "attempt"), again);
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function retryButton({ id, state, subject }, done) {
  if (!may("channels.manage") || !RETRYABLE.includes(state)) return null;
  const onclick = () =>
    confirm({
      title: "Try again now?",
      text: visible(subject),
      action: "Try again",
      look: "primary",
      run: () => post("/deliveries/{delivery_id}/retry", { path: { delivery_id: id }, body: {} }),
      done,
    });
  return button("Retry…", { look: "quiet", "aria-label": `Retry ${subject}`, onclick });
}

function nothingYet() {
  const text =
    "Until there is one, people learn only here what they are asked. Make one for e-mail, Telegram or a webhook.";
  return emptyState("No channels", h("p", {}, text));
}
