// Whether shared workers may carry out what the org runs, and its admin's say in that.

import { get, patch } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { button } from "./buttons.js";
import { confirm } from "./dialogs.js";
import { loadInto } from "./loading.js";
import { t } from "../lib/language.js";

/** A line below the fleet that says how it is, and changes it. */
export function sharedWorkersLine({ signal }) {
  const path = { org: whoAmI().org.code };
  const line = h("div", { class: "part" });
  const reload = () =>
    loadInto(
      line,
      signal,
      () => get("/orgs/{org}", { path, signal }),
      (org) => replace(line, text(org), may("orgs.manage") && changeButton(org, reload)),
    );
  reload();
  return line;
}

function changeButton({ code, allows_shared_workers: allows }, done) {
  const body = { allows_shared_workers: !allows };
  const onclick = () =>
    confirm({
      title: allows ? t`Only ${code}’s own workers?` : t`Let shared workers serve ${code}?`,
      text: allows
        ? t`What waits goes to shared workers no more; what runs there ends.`
        : t`Commands and secrets then also reach workers that carry out jobs of other orgs, under the same account.`,
      action: allows ? t`Own workers only` : t`Let them serve`,
      look: "primary",
      run: () => patch("/orgs/{org}", { path: { org: code }, body }),
      done,
    });
  const words = allows ? t`Use own workers only…` : t`Let shared workers serve…`;
  return button(words, { look: "quiet", onclick });
}

function text({ code, allows_shared_workers: allows }) {
  const says = allows
    ? t`Shared workers, which serve many orgs, serve ${code} too.`
    : t`Shared workers, which serve many orgs, do not serve ${code}.`;
  return h("p", { class: "muted" }, says);
}
