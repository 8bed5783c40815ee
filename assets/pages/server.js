// The server as those see it who run it: how it is, and its orgs, of which no content is shown.

import { button } from "../components/buttons.js";
import { commandLine } from "../components/command-line.js";
import { ask, askForm, confirm, opensWith } from "../components/dialogs.js";
import { field, input } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import { heldQueue } from "../components/held-queue.js";
import { actionsColumn, column, List } from "../components/list.js";
import { loadInto } from "../components/loading.js";
import { pairs } from "../components/pairs.js";
import { postedAnnouncements } from "../components/posted-announcements.js";
import { noticeBox, sentence } from "../components/problems.js";
import { ApiError, get, getAll, patch, post } from "../lib/api.js";
import { sizeText } from "../lib/bytes.js";
import { h, replace } from "../lib/dom.js";
import { number, plural, t } from "../lib/language.js";
import { whoAmI } from "../lib/session.js";
import { ago, exactTime, limitText } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const GRACE_DAYS = 7;

export function mount(root, { title }) {
  const page = new AbortController();
  const list = new List({
    label: t`Orgs`,
    endpoint: "/server/orgs",
    columns: [...COLUMNS, actionsColumn((org) => actions(org, list))],
    key: ({ code }) => code,
    show: (org) => () => showOrg(org),
    showNamed: (code) => opensWith(() => orgOf(code), showOrg),
    shownAs: ({ code }) => code,
    signal: page.signal,
  });
  const health = h("section", { class: "part" });
  const below = h(
    "p",
    { class: "muted" },
    t`Size and activity of each org. What is in them is not shown.`,
    " ",
    h("a", { href: "/workers" }, t`Shared workers`),
  );
  root.append(
    pageHeading(title, { below }),
    heldQueue(page),
    health,
    postedAnnouncements({ signal: page.signal }),
    h("section", { class: "part" }, h("h2", {}, t`Orgs`), list.element),
  );
  const fetchState = () => get("/server", page);
  loadInto(health, page.signal, fetchState, (state) => replace(health, healthOf(state)));
  return () => page.abort();
}

function healthOf({
  epoch,
  remarks,
  last_backup_at: backup,
  database_bytes: databases,
  free_disk_bytes: free,
  replica_lag_seconds: lag,
}) {
  return [
    remarks.map((remark) => noticeBox("warn", `${sentence(visible(remark))}.`)),
    !backup && noBackup(),
    pairs([
      [t`Last backup`, backup ? ago(backup) : t`none yet`],
      ...(lag === null ? [] : [[t`Replica`, lagText(lag)]]),
      [t`Databases`, sizeText(databases)],
      [t`Free on the disk`, sizeText(free)],
      [t`Restored`, epoch > 1 ? t`yes: it is in epoch ${epoch}` : t`never`],
    ]),
  ];
}

function noBackup() {
  return noticeBox(
    "warn",
    h("strong", {}, t`There is no backup yet`),
    h(
      "p",
      {},
      t`If this machine is lost, so is all that is on this server. Make one while it runs, on its machine, and then every day by a timer:`,
    ),
    commandLine("opsicle backup /backup/opsicle.age --passphrase-file /etc/opsicle/passphrase"),
  );
}

/** How far a standby's replica is behind. It is copied each second, and looked at less often. */
function lagText(seconds) {
  if (seconds < 60) return t`follows`;
  const duration = limitText(Math.round(seconds));
  return t`lacks the last ${duration}`;
}

const COLUMNS = [
  column(
    t`Org`,
    (org) => [
      h("strong", {}, org.code),
      h(
        "div",
        { class: "muted small" },
        suspensionText(org) || (org.name !== org.code && visible(org.name)),
      ),
    ],
    { size: "tall" },
  ),
  column(t`Automations, last day`, ({ usage }) => number(usage.automations_last_day), {
    isNumber: true,
  }),
  column(t`Automations, 30 days`, ({ usage }) => number(usage.automations_last_30_days), {
    isMinor: true,
    isNumber: true,
  }),
  column(t`Logs`, ({ usage }) => sizeText(usage.log_bytes), { isNumber: true }),
  column(t`Files`, ({ usage }) => sizeText(usage.artifact_bytes), {
    isMinor: true,
    isNumber: true,
  }),
  column(t`Last activity`, ({ usage }) => ago(usage.last_activity_at), { isMinor: true }),
];

/** Whether it is suspended, or on its way out; "" if neither. */
function suspensionText({ suspended_at: since, delete_at: end, removal }) {
  if (removal) {
    const gone = number(removal.automations_removed);
    const all = number(removal.automations);
    return t`being removed: ${gone} of ${all} automations`;
  }
  if (end) return t`suspended, deleted on ${exactTime(end)}`;
  return since ? t`suspended` : "";
}

async function orgOf(code) {
  const org = (await getAll("/server/orgs")).find((each) => each.code === code);
  if (!org) throw new ApiError({ title: t`There is no org ${code}` });
  return org;
}

function showOrg(org) {
  const { usage, quotas } = org;
  const most = quotas.automations_an_hour;
  const hour = number(usage.automations_last_hour);
  const quota = most && number(most);
  const logs = sizeText(usage.log_bytes);
  const mostLogs = sizeText(usage.most_log_bytes);
  const files = sizeText(usage.artifact_bytes);
  const mostFiles = sizeText(usage.most_artifact_bytes);
  const why = org.suspended_reason;
  ask({
    title: org.code,
    content: [
      suspensionText(org) &&
        noticeBox("warn", sentence(suspensionText(org)), why && `: ${visible(why)}`),
      pairs([
        [t`Name`, visible(org.name)],
        [t`Automations, last hour`, most ? t`${hour} of ${quota}` : hour],
        [t`Automations, last day`, number(usage.automations_last_day)],
        [t`Automations, 30 days`, number(usage.automations_last_30_days)],
        [t`Last activity`, ago(usage.last_activity_at)],
        [t`Logs`, t`${logs} of ${mostLogs}`],
        [t`Files`, t`${files} of ${mostFiles}`],
        [t`Automations kept`, number(usage.automations)],
        [t`Entries in the record`, number(usage.audit_entries)],
        [t`Members`, number(usage.member_count)],
        [t`Workers`, number(usage.worker_count)],
      ]),
    ],
    actions: [],
    back: t`Close`,
  });
}

function actions(org, list) {
  const { code } = org;
  if (org.removal) return [];
  const act = (text, label, onclick) =>
    button(text, { look: "quiet", "aria-label": label, onclick: () => onclick(org, list) });
  return [
    act(t`Quotas…`, t`Quotas of ${code}`, openQuotas),
    org.suspended_at
      ? act(t`Resume…`, t`Let ${code} go on`, openResume)
      : act(t`Suspend…`, t`Suspend ${code}`, openSuspend),
    code !== whoAmI().org.code && act(t`Delete…`, t`Delete ${code}`, openDelete),
  ];
}

function openQuotas({ code, quotas }, list) {
  const amount = (label, path, help) =>
    field({
      label,
      path,
      help,
      control: input({ type: "number", min: 1, value: quotas[path] ?? "" }),
    });
  const hourly = amount(
    t`Automations an hour`,
    "automations_an_hour",
    t`What is more is refused, with the time when there is room. Empty: any number.`,
  );
  const logs = amount(
    t`Logs (MiB)`,
    "log_mib",
    t`The oldest logs go first; then new output is truncated. Empty: as the server has it.`,
  );
  const files = amount(
    t`Artifacts and files (MiB)`,
    "artifact_mib",
    t`What is more is refused by name. Empty: as the server has it.`,
  );
  const valueOf = ({ control }) => (control.value ? Number(control.value) : null);
  askForm({
    title: t`Quotas of ${code}`,
    fields: [hourly, logs, files],
    send: () =>
      patch("/server/orgs/{org}", {
        path: { org: code },
        body: {
          automations_an_hour: valueOf(hourly),
          log_mib: valueOf(logs),
          artifact_mib: valueOf(files),
        },
      }),
    action: t`Set the quotas`,
    done: list.reload,
  });
}

function openSuspend({ code }, list) {
  const reason = field({
    label: t`Reason`,
    path: "reason",
    help: t`Its people are shown it on every page.`,
    control: input({ maxlength: 300 }),
  });
  const cancels = h("input", { type: "checkbox" });
  askForm({
    title: t`Suspend ${code}?`,
    above: h("p", {}, t`Nothing new starts there, by whatever way. Its people can read.`),
    fields: [reason],
    below: h("label", { class: "choice" }, cancels, " ", t`Cancel what runs and waits`),
    send: () =>
      post("/server/orgs/{org}/suspend", {
        path: { org: code },
        body: { reason: reason.control.value.trim(), cancels_running: cancels.checked },
      }),
    action: t`Suspend`,
    done: list.reload,
  });
}

function openResume({ code, delete_at: end }, list) {
  confirm({
    title: t`Let ${code} go on?`,
    text: end
      ? t`It is not deleted then, and what waits is handed out at once.`
      : t`What waits is handed out at once.`,
    action: t`Let the org go on`,
    look: "primary",
    run: () => post("/server/orgs/{org}/resume", { path: { org: code } }),
    done: list.reload,
  });
}

function openDelete(org, list) {
  const { code, usage } = org;
  const typed = field({
    label: t`Type ${code} to confirm`,
    path: "confirm",
    control: input({ autocomplete: "off" }),
  });
  const days = field({
    label: t`Days until then`,
    path: "grace_days",
    help: t`Until then it is suspended, and can be kept.`,
    control: input({ type: "number", min: 0, max: 90, value: GRACE_DAYS }),
  });
  const count = usage.automations;
  const gone = plural(count, {
    one: t`1 automation goes`,
    other: t`${number(count)} automations go`,
  });
  const logs = sizeText(usage.log_bytes);
  const files = sizeText(usage.artifact_bytes);
  askForm({
    title: t`Delete ${code}?`,
    above: h(
      "p",
      {},
      t`Everything of it goes: templates, secrets, workers, its record. ${gone}, with ${logs} of logs and ${files} of files. What runs and waits is cancelled now.`,
    ),
    fields: [typed, days],
    send: () =>
      post("/server/orgs/{org}/delete", {
        path: { org: code },
        body: { confirm: typed.control.value.trim(), grace_days: Number(days.control.value) },
      }),
    action: t`Delete the org`,
    look: "danger",
    done: list.reload,
  });
}
