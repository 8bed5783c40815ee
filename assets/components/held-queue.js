// That the queue of a restored server is held, and letting it go, for those who run the server.

import { get, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { button } from "./buttons.js";
import { confirm } from "./dialogs.js";
import { loadInto } from "./loading.js";
import { noticeBox, sentence } from "./problems.js";
import { t } from "../lib/language.js";

/** A notice while the queue is held; nothing otherwise. */
export function heldQueue(page) {
  const place = h("div", {});
  const reload = () =>
    loadInto(
      place,
      page.signal,
      () => get("/server", page),
      ({ held, epoch }) => replace(place, held && notice(held, epoch)),
    );
  const release = () =>
    confirm({
      title: t`Release the queue?`,
      text: t`What waits is handed to workers at once. What has run already, where this server knows nothing of it, may run again: cancel it first.`,
      action: t`Release`,
      look: "primary",
      run: () => post("/server/release"),
      done: reload,
    });
  const notice = (held, epoch) =>
    noticeBox(
      "warn",
      h("strong", {}, `${sentence(held)}.`),
      " ",
      t`Nothing is handed to workers, in any org. This is epoch ${epoch} of the server.`,
      " ",
      button(t`Release the queue…`, { look: "quiet", onclick: release }),
    );
  reload();
  return place;
}
