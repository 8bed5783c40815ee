// What oneself is told of, through which channels, and as whom a chat service knows one.

import { getAll, post, put, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { exactTime } from "../lib/times.js";
import { button } from "./buttons.js";
import { ask } from "./dialogs.js";
import { loadInto } from "./loading.js";
import { problemBox } from "./problems.js";

const NOTICES = {
  approval_requested: "I am asked to approve",
  approval_reminder: "I am reminded of it",
  approval_escalated: "It is passed on to me",
  approval_stuck: "Nobody can approve what I asked for",
  approval_ended: "A request has ended",
  automation_finished: "What I asked for has failed, or ended otherwise",
  automation_succeeded: "It has succeeded",
};

/** The section of the profile, loaded until `signal` says otherwise. */
export function notifications(signal) {
  const [links, choices, trouble] = [h("div", {}), h("div", {}), h("div", {})];
  const load = () => {
    loadInto(
      links,
      signal,
      () => getAll("/chat-links", { signal }),
      (items) =>
        replace(
          links,
          items.map((item) => linkRow(item, load)),
        ),
    );
    loadInto(
      choices,
      signal,
      () => getAll("/preferences", { signal }),
      (items) => replace(choices, items.length ? grid(items, trouble) : nothing()),
    );
  };
  load();
  return h(
    "section",
    { class: "profile-part" },
    h("h2", {}, "Notifications"),
    links,
    trouble,
    choices,
  );
}

function linkRow(item, reload) {
  const unlink = () =>
    ask({
      title: `Unlink ${item.channel}?`,
      content: h("p", {}, "You are told nothing there any more, and can decide nothing."),
      actions: [{ text: "Unlink", look: "danger", run: () => remove(path(item)).then(reload) }],
    });
  return h(
    "p",
    {},
    h("strong", {}, item.channel),
    item.chat_user ? ` knows you as ${item.chat_user}. ` : " does not know you yet. ",
    item.chat_user
      ? button("Unlink…", {
          look: "quiet danger-text",
          "aria-label": `Unlink ${item.channel}`,
          onclick: unlink,
        })
      : button("Link…", {
          look: "quiet",
          "aria-label": `Link ${item.channel}`,
          onclick: () => link(item, reload),
        }),
  );
}

function link(item, reload) {
  const shown = h(
    "p",
    {},
    "The bot of this channel learns by a code, which you send it, that you are you.",
  );
  const run = async () => {
    const made = await post("/chat-links", { channel: item.channel });
    const until = ["It is good once, until ", exactTime(made.expires_at), "."];
    ask({
      title: `Link ${item.channel}`,
      content: h(
        "p",
        {},
        "Send the bot in a private chat: ",
        h("code", {}, `link ${made.code}`),
        ". ",
        until,
      ),
      actions: [],
      closed: reload,
    });
  };
  ask({
    title: `Link ${item.channel}`,
    content: shown,
    actions: [{ text: "Show me a code", look: "primary", run }],
  });
}

function grid(items, trouble) {
  const channels = [...new Set(items.map((item) => item.channel))];
  const heads = ["When", ...channels].map((text) => h("th", { scope: "col" }, text));
  const rows = Object.entries(NOTICES).map(([notice, text]) => {
    const cells = channels.map((channel) => {
      const item = items.find((each) => each.channel === channel && each.notice === notice);
      return h("td", { dataset: { label: channel } }, item && box(item, text, trouble));
    });
    return h("tr", {}, h("th", { scope: "row" }, text), cells);
  });
  return h("table", { class: "table" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows));
}

function box(item, text, trouble) {
  const control = h("input", {
    type: "checkbox",
    checked: item.is_on,
    "aria-label": `${text}, through ${item.channel}`,
    onchange: async () => {
      trouble.replaceChildren();
      try {
        await put("/preferences", {
          channel: item.channel,
          notice: item.notice,
          is_on: control.checked,
        });
      } catch (error) {
        control.checked = !control.checked;
        replace(trouble, problemBox(error));
      }
    },
  });
  return control;
}

function nothing() {
  return h(
    "p",
    { class: "muted" },
    "Your org has no channel that tells people anything, besides these pages.",
  );
}

function path(item) {
  return `/chat-links/${encodeURIComponent(item.channel)}`;
}
