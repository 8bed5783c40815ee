/** What is asked of a worker's labels, for people. */

/** Each label that a template names, and its expression, as texts. */
export function wantedLabels({ runs_on: labels, runs_on_where: expression }) {
  const exact = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return expression ? [...exact, expression] : exact;
}
