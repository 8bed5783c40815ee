// The phases of an automation as its page lists them beside the log.

import { showList } from "../lib/keyed.js";
import { resumeHere, resumePoint } from "./resume-dialog.js";
import { isLongPlan, phaseView } from "./steps.js";

/** Show them in `place`; `goTo(index, offset, isPlan)` shows a place in the log of a phase. */
export function showPhases(place, automation, goTo) {
  const phases = phasesOf(automation);
  const isLong = isLongPlan(phases);
  const view = (phase, before) =>
    phaseView(phase, phase.index, {
      isLong,
      goTo: (index, offset) => goTo(index, offset, phase.isPlan),
      resume: phase.isResumedAt && resumeHere(automation, "step"),
      before,
    });
  showList(place, phases, (phase) => phase.key, view);
}

/** The plan's phases and the others. */
function phasesOf(automation) {
  const { plan, phases } = automation;
  const point = resumePoint(automation);
  const entry = (isPlan) => (phase, index) => ({
    ...phase,
    index,
    isPlan,
    isResumedAt: !isPlan && index === point,
    key: `${isPlan ? "plan" : "phase"}-${index}`,
  });
  return [...plan.map(entry(true)), ...phases.map(entry(false))];
}
