// What workers were ordered to do for an automation, each order verified in this browser.

import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { number, plural, t } from "../lib/language.js";
import { verifyOrders } from "../lib/order-verification.js";
import { may, whoAmI } from "../lib/session.js";
import { canVerify } from "../lib/signatures.js";
import { remember, remembered } from "../lib/storage.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { problemBox } from "./problems.js";
import { checked } from "./trail-record.js";

/** The section of an automation's orders, which follows as more are given. */
export class TrailOrders {
  element = h("div", { class: "automation-trail is-further" });
  #signal;
  #leases = "";

  constructor(signal) {
    this.#signal = signal;
  }

  /** Show the orders of an automation, asked for anew where there may be more of them. */
  async show({ id, jobs }) {
    const leases = jobs.map((job) => `${job.id} ${job.fence}`).join(",");
    if (leases === this.#leases || !may("approvals.view")) return;
    this.#leases = leases;
    try {
      const path = { automation_id: id };
      const trail = await get("/automations/{automation_id}/orders", {
        path,
        signal: this.#signal,
      });
      const verdicts = (await canVerify()) ? await verifyOrders(trail) : null;
      if (leases === this.#leases) replace(this.element, ordersView(trail, verdicts));
    } catch (error) {
      this.#leases = "";
      if (!this.#signal.aborted) replace(this.element, problemBox(error));
    }
  }
}

function ordersView(trail, verdicts) {
  const notKept = trail.jobs.filter(({ orders, missing }) => !orders.length && !missing).length;
  return h(
    "section",
    {},
    h("h2", {}, t`Orders`),
    verdicts === null
      ? h(
          "p",
          { class: "muted" },
          t`This browser cannot check signatures. The command line can:`,
          " ",
          h("code", { class: "command" }, `opsicle automations trail ${trail.automation_id}`),
        )
      : h("ol", { class: "jobs" }, verdicts.map(orderView)),
    notKept > 0 &&
      h(
        "p",
        { class: "muted" },
        plural(notKept, {
          one: t`1 job was ordered by an older version, which kept no orders.`,
          other: t`${number(notKept)} jobs were ordered by an older version, which kept no orders.`,
        }),
      ),
    trail.keys.map(({ fingerprint, is_own: isOwn }) => keyView(fingerprint, isOwn)),
  );
}

function orderView({ job, order, fields, signature, problem }) {
  return h(
    "li",
    {},
    fields && h("p", {}, orderedText(job, fields), ", ", ago(fields.issued_at)),
    fields?.decisions?.map(({ email, gate }) =>
      h(
        "p",
        { class: "muted small" },
        t`on the word of ${visible(String(email))} for ${visible(String(gate))}`,
      ),
    ),
    checked(
      problem === "",
      t`Verified in this browser: the signature, and that what is stored is what was ordered.`,
      h("span", {}, t`Does not verify.`, " ", problem),
    ),
    order && fact(t`fencing token`, String(order.fence)),
    fields && fact(t`manifest`, visible(String(fields.manifest_digest))),
    order && fact(t`signature`, signature),
  );
}

function orderedText(job, { is_plan: isPlan, resume }) {
  const worker = h("strong", {}, visible(job.worker.name));
  if (isPlan) return t`${worker} was ordered to plan`;
  return resume
    ? t`${worker} was ordered to go on from a pause`
    : t`${worker} was ordered to run it`;
}

function fact(name, value) {
  return h("p", { class: "muted small" }, name, " ", h("code", { class: "command" }, value));
}

/** Whose key it is, and whether this browser has verified orders with it before. */
function keyView(fingerprint, isOwn) {
  const name = `order-keys.${whoAmI().org.code}`;
  const before = remembered(name, []);
  const isNew = !before.includes(fingerprint);
  if (isNew) remember(name, [...before, fingerprint]);
  const code = h("code", { class: "command" }, fingerprint);
  const key = isOwn
    ? t`Key of this server, ${code}`
    : t`Key of the server from which the org came, ${code}`;
  const isOther = isNew && before.length > 0;
  return h(
    "p",
    { class: "muted small" },
    key,
    isOther && h("span", {}, ". ", t`This browser has not verified orders with it before.`),
  );
}
