// Which workers are asked for, and how something is queued, as texts for people.

import { t } from "./language.js";

const DEFAULT_PRIORITY = 5;

/** Each label that a template names, its expression, and the worker that was chosen, if one was. */
export function wantedLabels({ runs_on: labels, runs_on_where: expression, only_worker: only }) {
  const exact = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [...exact, expression, only && t`only ${only}`].filter(Boolean);
}

/** What is out of the ordinary about an automation's place in the queue. */
export function queueTexts({ priority, concurrency_group: group, concurrency_limit: limit }) {
  return [
    group && t`At most ${limit} of ${group} at once`,
    priority !== DEFAULT_PRIORITY && t`Priority ${priority}`,
  ].filter(Boolean);
}

/** The same of a template, whose group has a name for each combination of values. */
export function templateQueueTexts({ priority, concurrency, max_waiting: most }) {
  const names = concurrency && [concurrency.group, ...concurrency.by.map((name) => `<${name}>`)];
  const texts = queueTexts({
    priority,
    concurrency_group: names?.join("/"),
    concurrency_limit: concurrency?.limit,
  });
  return most ? [...texts, t`At most ${most} wait`] : texts;
}
