// One worker: how it is, what it runs, and what it has run.

import { button } from "../components/buttons.js";
import { askForm } from "../components/dialogs.js";
import { field, lines, textarea } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import { column, List } from "../components/list.js";
import { onOrgChanged } from "../components/live.js";
import { loadInto } from "../components/loading.js";
import { pairs } from "../components/pairs.js";
import { stateBadge } from "../components/states.js";
import {
  certificateEnd,
  kindFacts,
  mayChange,
  presence,
  slots,
  workerActions,
  workerLabels,
} from "../components/worker-facts.js";
import { get, patch } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { said as ofServer } from "../lib/server-texts.js";
import { may } from "../lib/session.js";
import { ago, durationText, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

/** How an attempt is called that is no state of an automation. */
const OF_ATTEMPTS = { leased: "starting", returned: t`given back` };

export function mount(root, { name }) {
  const page = new AbortController();
  const { signal } = page;
  const head = h("div", {}, pageHeading(name));
  const said = h("section", {});
  const jobs = may("automations.view") && jobsList(name, page);
  const ran = jobs && h("section", {}, h("h2", {}, t`Jobs`), jobs.element);
  root.append(head, h("div", { class: "columns" }, ran, said));
  const show = (worker) => {
    replace(head, heading(worker, jobs && jobs.mark, load));
    replace(said, facts(worker));
  };
  const ask = () => find(name, signal);
  const load = () => loadInto(head, signal, ask, show);
  load();
  onOrgChanged(() => ask().then((worker) => signal.aborted || show(worker), ignore), { signal });
  return () => page.abort();
}

/** What cannot be had just now is had with the next change; the list below says so. */
function ignore() {}

/** A worker of the org; for those who run the server, a shared one too. */
async function find(name, signal) {
  const options = { path: { worker: name }, signal };
  try {
    return await get("/workers/{worker}", options);
  } catch (error) {
    if (error.status !== 404 || !may("server.manage")) throw error;
    return get("/server/workers/{worker}", options);
  }
}

function heading(worker, mark, reload) {
  return pageHeading(visible(worker.name), {
    above: h("a", { href: "/workers" }, t`Workers`),
    beside: [presence(worker), kindFacts(worker), mark],
    actions: mayChange(worker) && [
      button(t`Change its labels…`, { look: "quiet", onclick: () => openLabels(worker, reload) }),
      workerActions(worker, reload),
    ],
    below: worker.withheld && [
      h("p", { class: "bad-text" }, t`It is given no work: ${visible(ofServer(worker.withheld))}.`),
    ],
  });
}

function facts(worker) {
  const { clock_offset_seconds: offset, unknown_jobs: unknown, limits_by: limits } = worker;
  const rows = [
    [t`Slots`, slots(worker)],
    [t`Labels`, hasLabels(worker) ? workerLabels(worker) : t`none`],
    [t`Runs`, worker.runtimes.join(", ") || t`nothing`],
    [
      t`Keeps limits by`,
      Object.entries(limits)
        .map(([kind, by]) => `${kind}: ${by}`)
        .join("; "),
    ],
    [t`Serves`, worker.is_shared && t`every org that lets it`],
    [t`Version`, visible(worker.program_version) || "?"],
    [t`Manifest formats`, worker.formats.join(", ")],
    [t`Last heard of`, lastHeard(worker)],
    [t`Clock`, clockText(offset)],
    [t`Certificate`, t`runs out ${certificateEnd(worker)}`],
    [t`Joined`, exactTime(worker.created_at)],
    [t`Jobs that are not known here`, unknown.map((id) => h("code", {}, visible(id)))],
  ];
  return pairs(
    rows.filter(([, value]) => value && value.length !== 0),
    "facts",
  );
}

function hasLabels({ labels, granted_labels: granted }) {
  return Object.keys({ ...labels, ...granted }).length > 0;
}

/** When it was heard of. That is noted once a minute: of one that is there, no time in the past. */
function lastHeard({ is_connected: isConnected, last_seen_at: at }) {
  if (isConnected) return t`now: it is connected`;
  return at ? exactTime(at) : t`never`;
}

function clockText(offset) {
  if (offset === null) return "";
  if (Math.abs(offset) < 2) return t`as the server’s`;
  const by = durationText(Math.abs(offset) * 1_000);
  return offset > 0 ? t`${by} ahead of the server’s` : t`${by} behind the server’s`;
}

function tookText({ seconds }) {
  return seconds === null ? "–" : durationText(seconds * 1_000);
}

function jobsList(name, { signal }) {
  return new List({
    label: t`Jobs`,
    load: (query) => get("/workers/{worker}/jobs", { path: { worker: name }, query, signal }),
    columns: [
      column(t`State`, ({ state }) => OF_ATTEMPTS[state] ?? stateBadge(state)),
      column(t`Template`, ({ template }) => visible(template), { size: "grow" }),
      column(t`Handed out`, ({ leased_at: at }) => ago(at)),
      column(t`Took`, tookText, { isNumber: true, label: "" }),
    ],
    key: ({ automation_id: id, leased_at: at }) => `${id} ${at}`,
    link: ({ automation_id: id }) => `/automations/${id}`,
    nameOf: ({ automation_id: id }) => id,
    empty: () => h("p", { class: "muted" }, t`It was handed nothing yet.`),
    isLive: true,
    signal,
  });
}

/** Labels decide what it is handed; so the server asks for a fresh code. */
function openLabels(worker, changed) {
  const { id, is_shared: isShared, granted_labels: granted } = worker;
  const text = Object.entries(granted).map(([key, value]) => `${key}=${value}`);
  const labels = field({
    label: t`Labels`,
    path: "labels",
    help: t`One per line, such as site=ams: all that it is granted. They decide what it is handed.`,
    control: textarea({ rows: "5", value: text.join("\n") }),
  });
  const endpoint = isShared ? "/server/workers/{worker}" : "/workers/{worker}";
  const typed = () =>
    lines(labels.control).map((line) => {
      const [key, ...value] = line.split("=");
      return [key.trim(), value.join("=").trim()];
    });
  askForm({
    title: t`Labels of ${worker.name}`,
    fields: [labels],
    send: () =>
      patch(endpoint, { path: { worker: id }, body: { labels: Object.fromEntries(typed()) } }),
    action: t`Grant these`,
    done: changed,
  });
}
