// What the org uses of what it may, for those who manage it.

import { pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { pairs } from "../components/pairs.js";
import { dayBars, usageBar } from "../components/usage-bars.js";
import { get } from "../lib/api.js";
import { sizeText } from "../lib/bytes.js";
import { h, replace } from "../lib/dom.js";
import { number, t } from "../lib/language.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";

export function mount(root, { title }) {
  const page = new AbortController();
  const content = h("div", {});
  const below = h("p", { class: "muted" }, t`How much this org has and does, and how much it may.`);
  root.append(pageHeading(title, { below }), content);
  loadInto(
    content,
    page.signal,
    () => get("/usage", page),
    (own) =>
      replace(
        content,
        h("div", { class: "columns" }, h("div", {}, quotaPart(own), dayPart(own)), sizePart(own)),
      ),
  );
  return () => page.abort();
}

function quotaPart({ usage, quotas }) {
  return h(
    "section",
    { class: "part", "aria-label": t`Quotas` },
    h("h2", {}, t`Quotas`),
    usageBar({
      name: t`Automations in the last hour`,
      used: usage.automations_last_hour,
      most: quotas.automations_an_hour,
      text: number,
      help: quotas.automations_an_hour
        ? t`When it is used up, what is triggered is refused until there is room again.`
        : t`This org has no quota of them.`,
    }),
    usageBar({
      name: t`Logs`,
      used: usage.log_bytes,
      most: usage.most_log_bytes,
      text: sizeText,
      help: t`When it is used up, the oldest logs go first; if only running jobs are left, further output is not kept.`,
    }),
    usageBar({
      name: t`Files`,
      used: usage.artifact_bytes,
      most: usage.most_artifact_bytes,
      text: sizeText,
      help: t`When it is used up, artifacts of more than 7 days make room; what does not fit then is refused.`,
    }),
    h("p", { class: "muted" }, t`Whoever runs the server sets these quotas.`, " ", ownLimits()),
  );
}

/** Where what the org bounds by itself stands. */
function ownLimits() {
  const link = h("a", { href: "/workers" }, t`Workers`);
  return may("workers.view") && t`What the org bounds by itself stands on the page ${link}.`;
}

function dayPart({ usage, days }) {
  const total = number(usage.automations_last_30_days);
  return h(
    "section",
    { class: "part", "aria-label": t`The last 30 days` },
    h("h2", {}, t`The last 30 days`),
    dayBars(days),
    h("p", { class: "muted" }, t`${total} automations were triggered; days begin at midnight UTC.`),
  );
}

function sizePart({ usage }) {
  return h(
    "section",
    { class: "part", "aria-label": t`What there is` },
    h("h2", {}, t`What there is`),
    pairs([
      [t`Automations kept`, number(usage.automations)],
      [t`Entries in the record`, number(usage.audit_entries)],
      [t`Members`, number(usage.member_count)],
      [t`Workers`, number(usage.worker_count)],
      [t`Last activity`, ago(usage.last_activity_at)],
    ]),
  );
}
