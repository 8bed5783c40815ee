// A QR code, drawn from its modules: dark on light in both themes, as readers want it.

import { svg } from "../lib/dom.js";

const MARGIN = 4; // modules; what ISO/IEC 18004 asks for
const MODULE_PIXELS = 5; // whole ones, so that all modules are equally wide

/** `rows` says of every module whether it is dark; `label` what a screen reader says. */
export function qrCode(rows, label) {
  const size = rows.length + 2 * MARGIN;
  const dark = rows
    .flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : "")))
    .join("");
  return svg(
    "svg",
    {
      class: "qr",
      width: size * MODULE_PIXELS,
      height: size * MODULE_PIXELS,
      viewBox: `${-MARGIN} ${-MARGIN} ${size} ${size}`,
      role: "img",
      "aria-label": label,
    },
    svg("rect", { x: -MARGIN, y: -MARGIN, width: size, height: size, fill: "#fff" }),
    svg("path", { d: dark, fill: "#000", "shape-rendering": "crispEdges" }),
  );
}
