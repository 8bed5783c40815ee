// Whether the provider's workers may carry out what the org runs, and its admin's say in that.

import { get, patch } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { button } from "./buttons.js";
import { ask } from "./dialogs.js";
import { loadInto } from "./loading.js";

/** A line below the fleet that says how it is, and changes it. */
export function sharedWorkersLine(page) {
  const { code } = whoAmI().org;
  const path = `/orgs/${encodeURIComponent(code)}`;
  const line = h("div", { class: "part" });
  const reload = () =>
    loadInto(
      line,
      page.signal,
      () => get(path, page),
      (org) => replace(line, text(org), may("orgs.manage") && change(org)),
    );
  const change = ({ allows_shared_workers: allows }) =>
    button(allows ? "Use own workers only…" : "Let shared workers serve…", {
      look: "quiet",
      onclick: () =>
        ask({
          title: allows ? `Only ${code}’s own workers?` : `Let shared workers serve ${code}?`,
          content: h(
            "p",
            {},
            allows
              ? "What waits goes to shared workers no more; what runs there ends."
              : "Commands and secrets then also reach workers that carry out jobs of other orgs, under the same account.",
          ),
          actions: [
            {
              text: allows ? "Own workers only" : "Let them serve",
              look: "primary",
              run: () => patch(path, { allows_shared_workers: !allows }).then(reload),
            },
          ],
        }),
    });
  reload();
  return line;
}

function text({ code, allows_shared_workers: allows }) {
  const says = allows
    ? `Shared workers, which the provider runs for many orgs, serve ${code} too.`
    : `Shared workers, which the provider runs for many orgs, do not serve ${code}.`;
  return h("p", { class: "muted" }, says);
}
