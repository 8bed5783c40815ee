// How one more worker joins: a command with a token in it, to be copied.

import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { countdown } from "../lib/times.js";
import { button, copyButton } from "./buttons.js";
import { ask } from "./dialogs.js";
import { loading } from "./headings.js";
import { problemBox } from "./problems.js";

/**
 * Show a join token; `isShared`: for a shared worker, which serves every org that lets it.
 */
export async function openJoinDialog(isShared) {
  const place = h("div", {}, loading());
  ask({
    title: isShared ? "Add a shared worker" : "Add a worker",
    content: place,
    actions: [],
    back: "Close",
    isWide: true,
  });
  const make = async () => {
    try {
      const { token, expires_at: expires } = await post("/workers/tokens", {
        body: { is_shared: isShared },
      });
      replace(place, instructions(token, expires, make));
    } catch (error) {
      replace(place, problemBox(error));
    }
  };
  await make();
}

function instructions(token, expires, makeAnother) {
  const command = `printf %s '${token}' | opsicle worker --join-file - --data-dir ./opsicle-worker`;
  return [
    h(
      "p",
      {},
      "On the machine that is to carry out automations, with the ",
      h("code", {}, "opsicle"),
      " file there, run:",
    ),
    h("pre", { class: "command-line", tabindex: "0" }, command),
    h(
      "p",
      { class: "dialog-actions" },
      h("span", { class: "muted grow" }, "Works once, for ", countdown(expires)),
      button("Make another", { look: "quiet", onclick: makeAnother }),
      copyButton(() => command, "Copy", "primary"),
    ),
    h(
      "p",
      { class: "muted" },
      "Add ",
      h("code", {}, "--label site=ams"),
      " for each label that templates may ask for: it is granted those with which it joins. ",
      h("code", {}, "--slots 4"),
      " lets it run several at once. To fix the labels yourself, make the token with ",
      h("code", {}, "opsicle workers token --label site=ams"),
      ". It shows up in the list as soon as it has joined.",
    ),
  ];
}
