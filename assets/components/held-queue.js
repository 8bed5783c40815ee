// That the queue of a restored server is held, and letting it go, for those who run the server.

import { get, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { button } from "./buttons.js";
import { ask } from "./dialogs.js";
import { loadInto } from "./loading.js";
import { noticeBox, sentence } from "./problems.js";

const PATH = "/provider/server";

/** A notice while the queue is held; nothing otherwise. */
export function heldQueue(page) {
  const place = h("div", {});
  const reload = () =>
    loadInto(
      place,
      page.signal,
      () => get(PATH, page),
      ({ held, epoch }) => replace(place, held && notice(held, epoch)),
    );
  const release = () =>
    ask({
      title: "Release the queue?",
      content: h(
        "p",
        {},
        "What waits is handed to workers at once. What has run already, where this server knows nothing of it, may run again: cancel it first.",
      ),
      actions: [
        { text: "Release", look: "primary", run: () => post(`${PATH}/release`).then(reload) },
      ],
    });
  const notice = (held, epoch) =>
    noticeBox(
      "warn",
      h("strong", {}, `${sentence(held)}.`),
      ` Nothing is handed to workers, in any org. This is epoch ${epoch} of the server. `,
      button("Release the queue…", { look: "quiet", onclick: release }),
    );
  reload();
  return place;
}
