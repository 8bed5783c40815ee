// The org's channels and what goes out through them. No page ever shows a credential.

import { button } from "../components/buttons.js";
import { openChannelForm } from "../components/channel-form.js";
import { ask } from "../components/dialogs.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { stateBadge } from "../components/states.js";
import { get, getAll, patch, post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const NEWEST = 100;
const RETRYABLE = ["failed", "gave_up"];

export function mount(root) {
  const page = new AbortController();
  const [list, queue] = [h("div", {}), h("div", {})];
  const loadQueue = () =>
    loadInto(
      queue,
      page.signal,
      () => get(`/deliveries?limit=${NEWEST}`, page),
      ({ items }) => replace(queue, items.length ? deliveryTable(items, reload) : nothingSent()),
    );
  const loadList = () =>
    loadInto(
      list,
      page.signal,
      () => getAll("/channels", page),
      (channels) => replace(list, channels.length ? channelTable(channels, reload) : nothingYet()),
    );
  const reload = () => {
    loadList();
    loadQueue();
  };
  root.append(
    pageHeading("Channels", {
      actions:
        may("channels.manage") &&
        button("New channel…", {
          look: "primary",
          name: "plus",
          onclick: () => openChannelForm(reload),
        }),
      below: h(
        "p",
        { class: "muted" },
        "How people are told of what needs them, besides these pages.",
      ),
    }),
    list,
    h("section", { class: "part" }, h("h2", {}, "Deliveries"), queue),
  );
  reload();
  return () => page.abort();
}

function table(heads, rows) {
  const cells = heads.map((text) => h("th", { scope: "col" }, text));
  return h(
    "table",
    { class: "table" },
    h(
      "thead",
      {},
      h("tr", {}, cells, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions"))),
    ),
    h("tbody", {}, rows),
  );
}

function cell(label, ...content) {
  return h("td", { dataset: { label } }, content);
}

function channelTable(channels, reload) {
  const rows = channels.map((channel) =>
    h(
      "tr",
      {},
      h("td", {}, h("strong", {}, channel.name)),
      cell("Kind", channel.kind),
      cell("State", channel.is_enabled ? "on" : "off"),
      cell("Waiting", plural(channel.open_deliveries, "message")),
      cell("Changed", ago(channel.updated_at)),
      h(
        "td",
        { class: "table-actions" },
        may("channels.manage") && channelActions(channel, reload),
      ),
    ),
  );
  return table(["Name", "Kind", "State", "Waiting", "Changed"], rows);
}

function channelActions(channel, reload) {
  const path = `/channels/${encodeURIComponent(channel.name)}`;
  const turn = channel.is_enabled ? "off" : "on";
  const asking = (title, text, action, look, run) =>
    ask({
      title,
      content: h("p", {}, text),
      actions: [{ text: action, look, run: () => run().then(reload) }],
    });
  const test = () =>
    asking(
      `Try ${channel.name}?`,
      "A message is sent to you through it. Its delivery says what became of it.",
      "Send it",
      "primary",
      () => post(`${path}/test`, {}),
    );
  const toggle = () =>
    asking(
      `Turn ${channel.name} ${turn}?`,
      channel.is_enabled
        ? "What waits, waits on; nothing new is queued."
        : "What waits is sent at once.",
      `Turn it ${turn}`,
      "primary",
      () => patch(path, { is_enabled: !channel.is_enabled }),
    );
  const end = () =>
    asking(
      `Delete ${channel.name}?`,
      "Its deliveries go with it, those that wait included.",
      "Delete the channel",
      "danger",
      () => remove(path),
    );
  const named = (verb) => ({ "aria-label": `${verb} ${channel.name}` });
  return [
    channel.is_enabled && button("Test…", { look: "quiet", ...named("Test"), onclick: test }),
    button(`Turn ${turn}…`, { look: "quiet", ...named(`Turn ${turn}`), onclick: toggle }),
    button("Delete…", { look: "quiet danger-text", ...named("Delete"), onclick: end }),
  ];
}

function deliveryTable(deliveries, reload) {
  const rows = deliveries.map((delivery) =>
    h(
      "tr",
      {},
      h("td", {}, h("strong", {}, visible(delivery.subject)), trouble(delivery)),
      cell("State", stateBadge(delivery.state), attempts(delivery)),
      cell("Channel", delivery.channel),
      cell("To", visible(delivery.recipient) || "its URL"),
      cell("When", ago(delivery.created_at)),
      h("td", { class: "table-actions" }, retryButton(delivery, reload)),
    ),
  );
  return table(["What", "State", "Channel", "To", "When"], rows);
}

function attempts({ state, attempts: made, next_attempt_at: next }) {
  if (made < 2 && state !== "failed") return null;
  const again = state === "failed" && next && [", again ", ago(next)];
  return h("div", { class: "muted small" }, plural(made, "attempt"), again);
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function trouble(delivery) {
  return delivery.last_error && h("div", { class: "muted small" }, visible(delivery.last_error));
}

function retryButton(delivery, reload) {
  if (!may("channels.manage") || !RETRYABLE.includes(delivery.state)) return null;
  const run = () => post(`/deliveries/${delivery.id}/retry`, {}).then(reload);
  const again = () =>
    ask({
      title: "Try again now?",
      content: h("p", {}, visible(delivery.subject)),
      actions: [{ text: "Try again", look: "primary", run }],
    });
  return button("Retry…", {
    look: "quiet",
    "aria-label": `Retry ${delivery.subject}`,
    onclick: again,
  });
}

function nothingYet() {
  return emptyState(
    "No channels",
    h(
      "p",
      {},
      "Until there is one, people learn only here what they are asked. Make one for e-mail, Telegram or a webhook.",
    ),
  );
}

function nothingSent() {
  return h("p", { class: "muted" }, "Nothing has gone out yet.");
}
