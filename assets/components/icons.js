// Icons, drawn here so that nothing has to be fetched. Each state has a shape of its own, not only
// a colour.

import { svg } from "../lib/dom.js";

const CIRCLE = "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13z";
const STAR = "M8 1.8l1.9 4l4.4.6l-3.2 3l.8 4.4L8 11.6l-3.9 2.2l.8-4.4l-3.2-3l4.4-.6z";
const SHAPES = {
  succeeded: ["M3 8.5l3.4 3.4L13 4.6"],
  failed: [CIRCLE, "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"],
  running: ["M8 1.5a6.5 6.5 0 1 0 6.5 6.5", "M6.6 5.4v5.2L10.6 8z"],
  paused: [CIRCLE, "M6.3 5.5v5M9.7 5.5v5", "M8 1.5v.01"],
  leased: [CIRCLE, "M8 4.5V8l2.3 1.6"],
  queued: [CIRCLE, "M5 8h.01M8 8h.01M11 8h.01"],
  pending: ["M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11z"],
  cancelled: [CIRCLE, "M3.6 3.6l8.8 8.8"],
  timed_out: ["M4 1.5h8M4 14.5h8M5 1.5v2.8L8 8l3-3.7V1.5M5 14.5v-2.8L8 8l3 3.7v2.8"],
  unknown: ["M8 1l7 7l-7 7l-7-7z", "M6.4 6.4a1.6 1.6 0 1 1 2.2 1.7c-.4.2-.6.4-.6.9M8 11h.01"],
  planning: [CIRCLE, "M5.3 8h5.4M8 5.3v.01M8 10.7v.01"],
  awaiting_approval: [CIRCLE, "M6.3 5.5v5M9.7 5.5v5"],
  rejected: ["M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2z", "M5 8h6"],
  expired: ["M4 1.5h8M4 14.5h8M5 1.5v2.8L8 8l3-3.7V1.5M5 14.5v-2.8L8 8l3 3.7v2.8"],
  done_before: ["M2.5 8.5l2.6 2.6L9.8 5.2M8 10.3l.8.8l4.7-5.9"],
  skipped: ["M4 4l4 4l-4 4M9 4l4 4l-4 4"],
  returned: ["M6 4L2.5 7.5L6 11M2.5 7.5H10a3.5 3.5 0 0 1 0 7H8"],
  templates: ["M3 2.5h10v11H3zM5.5 5.5h5M5.5 8h5M5.5 10.5h3"],
  star: [STAR],
  starred: [STAR],
  automations: ["M2 8h2.8l1.7-4.5l3 9L11.2 8H14"],
  approvals: ["M2 3h12v10H2zM2 9h3.5l1 1.5h3l1-1.5H14", "M5.5 5.8l1.8 1.8L11 4.4"],
  schedules: [CIRCLE, "M8 4.2V8l2.6 1.8"],
  triggers: ["M9 1.5L3.5 9H8l-1 5.5L12.5 7H8z"],
  policies: [
    "M8 1.5l5.5 2v4.2c0 3.4-2.2 5.7-5.5 6.8c-3.3-1.1-5.5-3.4-5.5-6.8V3.5z",
    "M5.8 8l1.6 1.6L10.4 6.5",
  ],
  channels: ["M2 3h12v8H7.5L4.5 13.5V11H2z", "M5 6h6M5 8.2h4"],
  roles: [
    "M5.5 7a2.2 2.2 0 1 0 0-4.4a2.2 2.2 0 0 0 0 4.4zM1.5 13c0-2.3 1.7-3.7 4-3.7s4 1.4 4 3.7",
    "M10.5 7.5l1.5 1.5L15 5.5",
  ],
  usage: ["M2 14.2h12M3.5 12V8.5M6.5 12V3.5M9.5 12V6.5M12.5 12v-2"],
  manage: ["M2 4.5h7M12 4.5h2M2 11.5h2M7 11.5h7", "M10.5 3v3M5.5 10v3"],
  delivered: [CIRCLE, "M5 8.2l2.1 2.1L11 6.2"],
  sending: ["M8 1.5a6.5 6.5 0 1 0 6.5 6.5", "M6.6 5.4v5.2L10.6 8z"],
  retrying: ["M13 5.5A5.5 5.5 0 1 0 13.5 9M13.3 2v3.7H9.6"],
  gave_up: [CIRCLE, "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"],
  approved: [CIRCLE, "M5 8.2l2.1 2.1L11 6.2"],
  withdrawn: [CIRCLE, "M3.6 3.6l8.8 8.8"],
  workers: ["M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01"],
  people: [
    "M6 8a2.5 2.5 0 1 0 0-5a2.5 2.5 0 0 0 0 5zM1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M10.5 3.3a2.4 2.4 0 0 1 0 4.5M12 9.8c1.6.5 2.5 1.8 2.5 3.7",
  ],
  secrets: ["M5 10.5a3 3 0 1 1 2.6-4.5H14.5v3h-2v2h-3v-2H7.6A3 3 0 0 1 5 10.5zM5 7.5h.01"],
  audit: ["M4 1.5h5.5L13 5v9.5H4zM9.5 1.5V5H13M6.5 8.5h4M6.5 11h4"],
  user: ["M8 8a3 3 0 1 0 0-6a3 3 0 0 0 0 6zM2.5 14.5c0-3 2.4-4.7 5.5-4.7s5.5 1.7 5.5 4.7"],
  light: [
    "M8 5a3 3 0 1 1 0 6a3 3 0 1 1 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9L13 13M3 13l1.1-1.1M11.9 4.1L13 3",
  ],
  dark: ["M13.5 9.7A6 6 0 0 1 6.3 2.5a6 6 0 1 0 7.2 7.2z"],
  run: ["M4.5 2.5v11L13 8z"],
  search: ["M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9M10.4 10.4L14 14"],
  up: ["M3.5 10L8 5.5L12.5 10"],
  down: ["M3.5 6L8 10.5L12.5 6"],
  close: ["M4 4l8 8M12 4l-8 8"],
  closed: ["M6 3.5L10.5 8L6 12.5"],
  copy: ["M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3"],
  download: ["M8 2v8M4.5 7L8 10.5L11.5 7M2.5 13.5h11"],
  warning: ["M8 2L15 14H1zM8 6.5v3.5M8 12h.01"],
  cross: ["M4 4l8 8M12 4l-8 8"],
  plus: ["M8 3v10M3 8h10"],
  resume: ["M3 2.5v11", "M6 2.5l7.5 5.5L6 13.5z"],
  again: ["M13 5.5A5.5 5.5 0 1 0 13.5 9M13.3 2v3.7H9.6"],
  home: ["M2.5 7.5L8 2.5l5.5 5", "M4 6.5v7h8v-7M6.8 13.5V10h2.4v3.5"],
  more: ["M3.5 8h.01M8 8h.01M12.5 8h.01"],
  bell: ["M4 11V7a4 4 0 0 1 8 0v4l1.5 1.5h-11zM6.7 14.5h2.6"],
  targets: [CIRCLE, "M8 5a3 3 0 1 1 0 6a3 3 0 1 1 0-6zM8 8h.01"],
  tokens: ["M5.5 6a4 4 0 1 1 4 4L8 11.5H6.5V13H5v1.5H2.5V12l3-3z"],
  back: ["M10 3.5L5.5 8L10 12.5"],
};

/** An icon by name; it says nothing to a screen reader, as a text stands beside it. */
export function icon(name) {
  const paths = (SHAPES[name] ?? SHAPES.unknown).map((d) => svg("path", { d }));
  return svg(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    paths,
  );
}
