// What is announced to people, for those who run the server: listed, made, taken back.

import { post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { ago, instantOf, now, zoneName } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { askForm, confirm } from "./dialogs.js";
import { field, input, select, textarea } from "./fields.js";
import { actionsColumn, column, List } from "./list.js";

const SEVERITIES = [
  ["info", t`Information`],
  ["warning", t`Warning`],
];

/** The section of the page *Server*. */
export function postedAnnouncements({ signal }) {
  const list = new List({
    label: t`Announcements`,
    endpoint: "/server/announcements",
    columns: [...COLUMNS, actionsColumn((announcement) => deleteButton(announcement, list))],
    empty: () => h("p", { class: "muted" }, t`Nothing is announced.`),
    signal,
  });
  const add = button(t`Announce…`, { onclick: () => openForm(list) });
  const head = h("div", { class: "part-head" }, h("h2", {}, t`Announcements`), add);
  return h("section", { class: "part" }, head, list.element);
}

const COLUMNS = [
  column(
    t`Text`,
    ({ text, severity, created_by: author }) => [
      h("div", {}, visible(text)),
      h("div", { class: "muted small" }, severityText(severity), " · ", visible(author)),
    ],
    { size: "tall" },
  ),
  column(t`For whom`, ({ org }) => org || t`all orgs`),
  column(t`Begins`, ({ starts_at: start }) => ago(start), { isMinor: true }),
  column(t`Ends`, ({ ends_at: end }) => untilText(end)),
];

function severityText(severity) {
  return SEVERITIES.find(([key]) => key === severity)?.[1] ?? visible(severity);
}

function untilText(end) {
  if (!end) return t`when it is deleted`;
  return Date.parse(end) > now() ? ago(end) : [t`over`, " ", ago(end)];
}

function deleteButton({ id, text }, list) {
  const onclick = () =>
    confirm({
      title: t`Delete the announcement?`,
      text: visible(text),
      action: t`Delete it`,
      run: () => remove("/server/announcements/{announcement}", { path: { announcement: id } }),
      done: list.reload,
    });
  return [button(t`Delete…`, { look: "quiet", "aria-label": t`Delete the announcement`, onclick })];
}

function openForm(list) {
  const at = (label, path, help) =>
    field({ label, path, help, control: input({ type: "datetime-local" }) });
  const text = field({
    label: t`Text`,
    path: "text",
    isRequired: true,
    help: t`One line of plain text, shown above every page and at the terminal.`,
    control: textarea({ rows: 2, maxlength: 500 }),
  });
  const severity = field({
    label: t`Kind`,
    path: "severity",
    control: select(SEVERITIES, "info"),
  });
  const org = field({
    label: t`Org`,
    path: "org",
    help: t`The code of the one that it is for. Empty: for all.`,
    control: input({ maxlength: 32, autocomplete: "off" }),
  });
  const start = at(t`Begins`, "starts_at", t`In ${zoneName()}. Empty: now.`);
  const end = at(t`Ends`, "ends_at", t`Empty: when it is deleted.`);
  const timeOf = ({ control }) => (control.value ? instantOf(control.value) : null);
  askForm({
    title: t`Announce something`,
    fields: [text, severity, org, start, end],
    send: () =>
      post("/server/announcements", {
        body: {
          text: text.control.value.trim(),
          severity: severity.control.value,
          org: org.control.value.trim(),
          starts_at: timeOf(start),
          ends_at: timeOf(end),
        },
      }),
    action: t`Announce it`,
    done: list.reload,
  });
}
