// What stands behind the `?` of an address.

/** The parameters as `?a=b`, or as nothing at all; empty ones are left out. */
export function queryText(parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  return query.size ? `?${query}` : "";
}
