// Making elements. The only way text gets on a page: as text nodes, never as markup.

import { inOrg } from "./org-address.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element: h("a", { class: "link", href: "/x", onclick: open }, "text", child).
 *
 * Properties that begin with "on" are listeners; true and false switch an attribute; null and
 * undefined leave it out; `dataset` and `style` take objects. Children may be nested arrays; null,
 * undefined and false are left out.
 */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Make an SVG element; takes what `h` takes. */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/**
 * A link to a place elsewhere, of which that learns nothing; null if it is no address of http or
 * https.
 */
export function outsideLink(target, ...children) {
  const url = URL.canParse(target) ? new URL(target) : null;
  if (!url || !["http:", "https:"].includes(url.protocol)) return null;
  const link = h("a", { rel: "noopener noreferrer nofollow", target: "_blank" }, ...children);
  link.href = url.href;
  link.title = url.href;
  return link;
}

/** Put these children where the old ones were. */
export function replace(element, ...children) {
  element.replaceChildren(...flatten(children));
  return element;
}

/** Make children ready for append(): flat, without gaps, texts as they are. */
export function flatten(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) set(element, name, value);
  element.append(...flatten(children));
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name === "style")
    for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
  else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
  else
    element.setAttribute(
      name,
      name === "href" ? address(value) : value === true ? "" : String(value),
    );
}

/**
 * Only addresses inside this application, so that no value from outside can become a `javascript:`
 * link.
 */
function address(text) {
  const isInside = /^[/#?]/.test(text) && new URL(text, location.href).origin === location.origin;
  if (!isInside && !text.startsWith("mailto:")) throw new Error(`not an address of ours: ${text}`);
  return text.startsWith("/") ? inOrg(text) : text;
}
