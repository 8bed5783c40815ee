// What oneself is told of, through which channels, and as whom a chat service knows one.

import { getAll, post, put, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { exactTime } from "../lib/times.js";
import { button } from "./buttons.js";
import { ask, confirm } from "./dialogs.js";
import { loadInto } from "./loading.js";
import { problemBox } from "./problems.js";
import { t } from "../lib/language.js";

const NOTICES = {
  approval_requested: t`I am asked to approve`,
  approval_reminder: t`I am reminded of it`,
  approval_escalated: t`It is passed on to me`,
  approval_stuck: t`Nobody can approve what I asked for`,
  approval_ended: t`A request has ended`,
  automation_finished: t`What I asked for has failed, or ended otherwise`,
  automation_succeeded: t`It has succeeded`,
  start_refused: t`What I pushed could not start anything`,
};

/** The section of the profile, loaded until `signal` says otherwise. */
export function notifications(signal) {
  const [links, choices, trouble] = [h("div", {}), h("div", {}), h("div", {})];
  const load = () => {
    loadInto(
      links,
      signal,
      () => getAll("/chat-links", { signal }),
      (items) => replace(links, linkRows(items, load)),
    );
    loadInto(
      choices,
      signal,
      () => getAll("/preferences", { signal }),
      (items) => replace(choices, items.length ? grid(items, trouble) : nothing()),
    );
  };
  load();
  const heading = h("h2", {}, t`Notifications`);
  return h("section", { class: "profile-part" }, heading, links, trouble, choices);
}

function linkRows(items, done) {
  return items.map((item) => {
    const { channel, chat_user: user } = item;
    const name = h("strong", {}, channel);
    const known = user ? t`${name} knows you as ${user}.` : t`${name} does not know you yet.`;
    return h("p", {}, known, " ", linkButton(item, done));
  });
}

function linkButton({ channel, chat_user: user }, done) {
  const link = () =>
    confirm({
      title: t`Link ${channel}`,
      text: t`The bot of this channel learns by a code, which you send it, that you are you.`,
      action: t`Show me a code`,
      look: "primary",
      run: () => post("/chat-links", { body: { channel } }),
      done: (made) => showCode(channel, made, done),
    });
  const unlink = () =>
    confirm({
      title: t`Unlink ${channel}?`,
      text: t`You are told nothing there any more, and can decide nothing.`,
      action: t`Unlink`,
      run: () => remove("/chat-links/{channel}", { path: { channel } }),
      done,
    });
  const [verb, onclick, look] = user ? [t`Unlink`, unlink, "quiet"] : [t`Link`, link, "quiet"];
  return button(t`${verb}…`, { look, "aria-label": `${verb} ${channel}`, onclick });
}

function showCode(channel, { code, expires_at: until }, closed) {
  const message = h("code", {}, `link ${code}`);
  const content = h(
    "p",
    {},
    t`Send the bot in a private chat: ${message}. It is good once, until ${exactTime(until)}.`,
  );
  ask({ title: t`Link ${channel}`, content, actions: [], closed });
}

function grid(items, trouble) {
  const channels = [...new Set(items.map((item) => item.channel))];
  const heads = [t`When`, ...channels].map((text) => h("th", { scope: "col" }, text));
  const rows = Object.entries(NOTICES).map(([notice, text]) => {
    const cells = channels.map((channel) => {
      const item = items.find((each) => each.channel === channel && each.notice === notice);
      return h("td", { dataset: { label: channel } }, item && box(item, text, trouble));
    });
    return h("tr", {}, h("th", { scope: "row" }, text), cells);
  });
  const style = { "--columns": `minmax(0, 32rem) repeat(${channels.length}, minmax(5rem, auto))` };
  return h(
    "table",
    { class: "table", style },
    h("thead", {}, h("tr", {}, heads)),
    h("tbody", {}, rows),
  );
}

function box(item, text, trouble) {
  const control = h("input", {
    type: "checkbox",
    checked: item.is_on,
    "aria-label": t`${text}, through ${item.channel}`,
    onchange: async () => {
      trouble.replaceChildren();
      try {
        const body = { channel: item.channel, notice: item.notice, is_on: control.checked };
        await put("/preferences", { body });
      } catch (error) {
        control.checked = !control.checked;
        replace(trouble, problemBox(error));
      }
    },
  });
  return control;
}

function nothing() {
  const text = t`Your org has no channel that tells people anything, besides these pages.`;
  return h("p", { class: "muted" }, text);
}
