// One's authenticator app: enrolling it, its recovery codes, taking it away.

import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { ago } from "../lib/times.js";
import { button, copyButton } from "./buttons.js";
import { ask } from "./dialogs.js";
import { noticeBox } from "./problems.js";
import { qrCode } from "./qr.js";
import { codeField, sendCode } from "./step-up.js";

/** What the profile says of the app. `fresh` is where new recovery codes are shown; `reload` shows all anew. */
export function authenticator(status, fresh, reload) {
  const done = (reply) => {
    replace(fresh, reply && recoveryCodes(reply.codes));
    reload();
  };
  return status.is_enrolled ? enrolled(status, done) : notEnrolled(done);
}

function notEnrolled(done) {
  const trouble = (error) =>
    ask({ title: error.title, content: h("p", {}, error.detail), actions: [] });
  const begin = () =>
    post("/totp").then(
      (made) => enrolDialog(made, done),
      (error) => trouble(error),
    );
  return [
    h(
      "p",
      {},
      "With an app on your telephone, whoever learns your password still cannot log in as you.",
    ),
    h(
      "div",
      { class: "form-actions" },
      button("Enrol an app…", { look: "primary", onclick: begin }),
    ),
  ];
}

function enrolDialog({ secret, uri, qr }, done) {
  const code = codeField("Code that the app shows");
  code.element.querySelector(".help").remove();
  ask({
    title: "Enrol an authenticator app",
    content: [
      h("p", {}, "Scan this with the app, or type the secret into it."),
      qrCode(qr, "QR code for the authenticator app"),
      h(
        "p",
        { class: "totp-secret" },
        h("code", {}, secret),
        " ",
        copyButton(() => uri, "Copy as a link", "quiet"),
      ),
      code.element,
    ],
    actions: [
      {
        text: "Confirm",
        look: "primary",
        run: () => sendCode(code, async (totp) => done(await post("/totp/confirm", { totp }))),
      },
    ],
  });
}

function enrolled(status, done) {
  const left = status.recovery_codes_left;
  return [
    h(
      "p",
      {},
      "Enrolled ",
      ago(status.confirmed_at),
      `. ${left} recovery ${left === 1 ? "code" : "codes"} left.`,
    ),
    h(
      "div",
      { class: "form-actions" },
      button("New recovery codes…", {
        onclick: () =>
          withCode(
            "New recovery codes",
            "The old ones work no longer.",
            "Make new codes",
            "primary",
            async (totp) => done(await post("/totp/recovery-codes", { totp })),
          ),
      }),
      button("Disable…", {
        look: "danger-text quiet",
        onclick: () =>
          withCode(
            "Disable the app",
            "Logging in then needs your password alone.",
            "Disable",
            "danger",
            async (totp) => done(await post("/totp/disable", { totp })),
          ),
      }),
    ),
  ];
}

function withCode(title, text, verb, look, send) {
  const code = codeField();
  ask({
    title,
    content: [h("p", {}, text), code.element],
    actions: [{ text: verb, look, run: () => sendCode(code, send) }],
  });
  code.control.focus();
}

function recoveryCodes(codes) {
  const text = codes.join("\n");
  return noticeBox(
    "note",
    h("strong", {}, "Your recovery codes: keep them now, they are never shown again"),
    h("p", {}, "Each works once in place of the app. Keep them where your telephone is not."),
    h("pre", { class: "command-line", tabindex: "0" }, text),
    copyButton(() => text),
  );
}
