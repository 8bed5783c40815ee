// The logs of an automation on its page: the newest job's as it grows and, beside it, its plan's.

import { h } from "../lib/dom.js";
import { setQuery } from "../lib/router.js";
import { LogPanel } from "./log-panel.js";
import { t } from "../lib/language.js";

const PARAMETER = "log";
const PLAN = "plan";
const MOVES = ["wheel", "touchmove", "keydown", "pointerdown"];

/** Both logs as `element`, of which one is in sight; which one stands in the address. */
export class LogPanels {
  #options;
  #live;
  #plan = null;
  #loading = null;
  #isPlanShown;
  #automation = null;
  #place = h("div", { class: "log-place" });
  #choice = h("div", {
    class: "log-choice",
    role: "group",
    "aria-label": t`Which log`,
    hidden: true,
  });

  constructor({ id, mark, query, signal }) {
    this.#options = { id, isPlan: true, signal };
    this.#isPlanShown = query.get(PARAMETER) === PLAN;
    this.#live = new LogPanel({ id, mark, signal, takesPlace: !this.#isPlanShown });
    this.#place.append(this.#live.element);
    this.element = h("div", { class: "log-places" }, this.#choice, this.#place);
  }

  /** The log that grows. */
  get live() {
    return this.#live;
  }

  /** Learn of the automation as it is now. */
  describe(automation) {
    const isFirst = this.#automation === null;
    this.#automation = automation;
    this.#live.describe(automation);
    this.#plan?.describe(automation);
    const hasBoth = this.#hasBoth;
    if (hasBoth === this.#choice.hidden) this.#drawChoice();
    if (this.#hasPlanAlone) this.#show(true, { takesPlace: isFirst, isNoted: false });
    else if (isFirst && this.#isPlanShown) this.#show(hasBoth, { takesPlace: true });
    if (isFirst && location.hash.startsWith("#L")) this.#comeIntoSight();
  }

  /** Show a place in the log of a phase; `isPlan`: of the plan. See `LogPanel.goTo`. */
  async goTo(phase, offset, isPlan) {
    const isApart = isPlan && (this.#hasBoth || this.#hasPlanAlone);
    await this.#show(isApart);
    (isApart ? this.#plan : this.#live).goTo(phase, offset);
    this.#comeIntoSight();
  }

  /** Show a line of the newest job's log. */
  goToNumber(number) {
    this.#show(false);
    this.#live.goToNumber(number);
    this.#comeIntoSight();
  }

  /** Begin to read the newest job's log at this line, if that is the log in sight. */
  openAt(number) {
    if (!this.#isPlanShown) this.#live.openAt(number);
  }

  /**
   * Whoever goes to a line sees it, where the log stands further down the page too: also once its
   * lines have come and it is higher for that, until somebody moves on.
   */
  #comeIntoSight() {
    const { signal } = this.#options;
    const growth = new ResizeObserver(() => this.#place.scrollIntoView({ block: "nearest" }));
    growth.observe(this.#place);
    const end = () => growth.disconnect();
    signal.addEventListener("abort", end);
    for (const kind of MOVES) addEventListener(kind, end, { once: true, passive: true, signal });
  }

  /** The plan has a log of its own as soon as another job has begun. */
  get #hasBoth() {
    const { plan = [], jobs = [] } = this.#automation ?? {};
    return plan.length > 0 && jobs.some((job) => job.is_plan) && !jobs.at(-1).is_plan;
  }

  /** Of what runs on several machines, once it has planned: each of these has a log of its own. */
  get #hasPlanAlone() {
    const { jobs = [], targets = [], state } = this.#automation ?? {};
    return targets.length > 0 && state !== "planning" && jobs.some((job) => job.is_plan);
  }

  async #show(isPlan, { takesPlace = false, isNoted = true } = {}) {
    const isOther = isPlan !== this.#isPlanShown;
    this.#isPlanShown = isPlan;
    this.#drawChoice();
    if (isOther && isNoted) this.#noteInAddress();
    if (isPlan && !this.#plan) {
      this.#plan = new LogPanel({ ...this.#options, takesPlace });
      this.#plan.describe(this.#automation);
      this.#loading = this.#plan.load();
    }
    const panel = isPlan ? this.#plan : this.#live;
    if (!panel.element.isConnected) this.#place.replaceChildren(panel.element);
    if (isPlan) await this.#loading;
  }

  /** Lines that the address named were those of the other log. */
  #noteInAddress() {
    const { [PARAMETER]: _, ...others } = Object.fromEntries(new URLSearchParams(location.search));
    setQuery(this.#isPlanShown ? { ...others, [PARAMETER]: PLAN } : others);
  }

  #drawChoice() {
    this.#choice.hidden = !this.#hasBoth;
    const chip = (text, isPlan) =>
      h(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-pressed": String(isPlan === this.#isPlanShown),
          onclick: () => this.#show(isPlan),
        },
        text,
      );
    const focused = [...this.#choice.children].indexOf(document.activeElement);
    this.#choice.replaceChildren(chip(t`Log of the run`, false), chip(t`Log of the plan`, true));
    this.#choice.children[focused]?.focus();
  }
}
