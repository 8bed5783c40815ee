// The approver's inbox: what waits for their decision, what they asked for, and all of the org.

import { emptyState, pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { stateBadge } from "../components/states.js";
import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { ago, countdown } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const VIEWS = { inbox: "To decide", asked: "I asked", all: "All" };
const SHOWN = 100;

export function mount(root, { query }) {
  const page = new AbortController();
  const whose = query.get("whose") in VIEWS ? query.get("whose") : "inbox";
  const list = h("div", {});
  root.append(
    pageHeading("Approvals", {
      below: h(
        "nav",
        { class: "chips", "aria-label": "Which approvals" },
        Object.keys(VIEWS).map((each) => link(each, whose)),
      ),
    }),
    list,
  );
  loadInto(
    list,
    page.signal,
    () => get(`/approvals?whose=${whose}&limit=${SHOWN}`, page),
    ({ items, next_cursor: next }) =>
      replace(
        list,
        items.length ? table(items) : nothing(whose),
        next && h("p", { class: "muted" }, "There are more."),
      ),
  );
  return () => page.abort();
}

function link(view, whose) {
  return h(
    "a",
    {
      class: "chip",
      href: `/approvals?whose=${view}`,
      "aria-current": view === whose ? "page" : null,
    },
    VIEWS[view],
  );
}

function table(items) {
  const heads = ["What", "Asked by", "Why", "State", "Time left"];
  return h(
    "table",
    { class: "table" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map((text) => h("th", { scope: "col" }, text)),
      ),
    ),
    h("tbody", {}, items.map(row)),
  );
}

function row(approval) {
  return h(
    "tr",
    {},
    h(
      "td",
      {},
      h(
        "a",
        { href: `/approvals/${approval.id}` },
        h("strong", {}, approval.template),
        ` version ${approval.version}`,
      ),
      h("div", { class: "muted small" }, "asked ", ago(approval.asked_at)),
    ),
    h("td", { dataset: { label: "Asked by" } }, visible(approval.requester.email)),
    h("td", { dataset: { label: "Why" } }, visible(approval.reason) || "–"),
    h(
      "td",
      { dataset: { label: "State" } },
      stateBadge(approval.state),
      h("div", { class: "muted small" }, visible(approval.explanation || approval.waiting_for)),
    ),
    h(
      "td",
      { dataset: { label: "Time left" } },
      approval.expires_at ? countdown(approval.expires_at) : "–",
    ),
  );
}

function nothing(whose) {
  if (whose === "inbox") {
    return emptyState(
      "Nothing waits for your decision",
      h("p", {}, "What others want to run and you may decide stands here."),
    );
  }
  return emptyState(
    whose === "asked" ? "You have asked for nothing" : "Nobody has asked for anything",
    h("p", {}, "A template with an approval policy asks when it is run."),
  );
}
