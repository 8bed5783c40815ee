// What this browser remembers: how things look, never anything that is secret.

const PREFIX = "opsicle.";

/** What was remembered under the name, or `fallback`. */
export function remembered(name, fallback) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? fallback;
  } catch {
    return fallback; // storage is switched off, or holds something that is not ours
  }
}

/**
 * Remember a value under the name; null forgets it. Where storage is switched off, nothing happens.
 */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // remembering is a convenience
  }
}
