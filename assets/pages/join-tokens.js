// The join tokens with which workers can still enrol: how often, until when, with which labels.

import { button, copyButton } from "../components/buttons.js";
import { askForm, confirm } from "../components/dialogs.js";
import { field, input, lines, textarea } from "../components/fields.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { actionsColumn, column, List } from "../components/list.js";
import { noticeBox } from "../components/problems.js";
import { post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { number, t } from "../lib/language.js";
import { ago, countdown } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const HOUR_SECONDS = 3_600;

export function mount(root, { title }) {
  const page = new AbortController();
  const fresh = h("div", { role: "status" });
  const list = new List({
    label: title,
    endpoint: "/join-tokens",
    columns: [...COLUMNS, actionsColumn((token) => revokeButton(token, list))],
    empty: () =>
      emptyState(
        t`No join tokens`,
        h(
          "p",
          {},
          t`A join token lets a machine in as a worker: once, or as many as are let in with it. The button above makes one.`,
        ),
      ),
    signal: page.signal,
  });
  const open = () => openForm(fresh, list);
  const make = button(t`Token for many workers…`, { look: "primary", name: "plus", onclick: open });
  const above = h("a", { href: "/workers" }, t`Workers`);
  const below = h("p", { class: "muted" }, t`With one of them, a machine joins as a worker.`);
  root.append(pageHeading(title, { above, actions: make, below }), fresh, list.element);
  return () => page.abort();
}

const COLUMNS = [
  column(t`Used`, ({ uses, max_uses: most }) => t`${number(uses)} of ${number(most)}`),
  column(t`Labels`, ({ labels }) => labelsView(labels), { size: "grow" }),
  column(t`Made by`, ({ created_by: email }) => visible(email), { card: "none" }),
  column(t`Made`, ({ created_at: at }) => ago(at), { isMinor: true }),
  column(t`Runs out in`, ({ expires_at: at }) => countdown(at)),
];

function labelsView(labels) {
  if (labels === null) return h("span", { class: "muted" }, t`those that it says itself`);
  const pairs = Object.entries(labels);
  if (!pairs.length) return h("span", { class: "muted" }, t`none`);
  return pairs.map(([key, value]) => h("code", { class: "fact" }, visible(`${key}=${value}`)));
}

function revokeButton({ id }, list) {
  const path = { join_token: id };
  const onclick = () =>
    confirm({
      title: t`Revoke this token?`,
      text: t`Nobody can enrol with it any more. Workers that have enrolled stay.`,
      action: t`Revoke the token`,
      run: () => remove("/join-tokens/{join_token}", { path }),
      done: list.reload,
    });
  return button(t`Revoke…`, { look: "quiet", onclick });
}

/** What many get in with says which labels they get. */
function openForm(fresh, list) {
  const figure = (value, max) => input({ type: "number", min: "1", max, value });
  const uses = field({ label: t`How many workers`, path: "uses", control: figure("10", "100000") });
  const hours = field({
    label: t`For how many hours`,
    path: "ttl_seconds",
    control: figure("24", "2160"),
  });
  const labels = field({
    label: t`Labels that each is granted`,
    path: "labels",
    help: t`One per line, such as site=ams. Nothing: none.`,
    control: textarea({ rows: "3" }),
  });
  const granted = () =>
    Object.fromEntries(
      lines(labels.control).map((line) => {
        const [key, ...value] = line.split("=");
        return [key.trim(), value.join("=").trim()];
      }),
    );
  askForm({
    title: t`Token for many workers`,
    fields: [uses, hours, labels],
    send: () =>
      post("/workers/tokens", {
        body: {
          uses: Number(uses.control.value),
          ttl_seconds: Number(hours.control.value) * HOUR_SECONDS,
          labels: granted(),
        },
      }),
    action: t`Make it`,
    done: ({ token }) => {
      replace(fresh, shownOnce(token));
      list.reload();
    },
  });
}

function shownOnce(token) {
  return noticeBox(
    "note",
    h("strong", {}, t`Copy it now, it is never shown again`),
    h("pre", { class: "command-line", tabindex: "0" }, token),
    copyButton(() => token),
  );
}
