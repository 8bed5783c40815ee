// One's authenticator app: enrolling it, its recovery codes, taking it away.

import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { ago } from "../lib/times.js";
import { button, copyButton } from "./buttons.js";
import { opensWith } from "./dialogs.js";
import { noticeBox } from "./problems.js";
import { qrCode } from "./qr.js";
import { askCode, codeField } from "./step-up.js";
import { plural, t } from "../lib/language.js";

/**
 * What the profile says of the app. `fresh` is where new recovery codes are shown; `reload` shows
 * all anew.
 */
export function authenticator(status, fresh, reload) {
  const done = (reply) => {
    replace(fresh, reply && recoveryCodes(reply.codes));
    reload();
  };
  return status.is_enrolled ? enrolled(status, done) : notEnrolled(done);
}

function notEnrolled(done) {
  // Each request makes another secret, so a second click must not send one.
  const begin = opensWith(
    () => post("/totp"),
    (begun) => enrolDialog(begun, done),
  );
  const why = t`With an app on your telephone, whoever learns your password still cannot log in as you.`;
  const enrol = button(t`Enrol an app…`, { look: "primary", onclick: begin });
  return [h("p", {}, why), h("div", { class: "form-actions" }, enrol)];
}

function enrolDialog({ secret, uri, qr }, done) {
  const code = codeField(t`Code that the app shows`, null);
  const copy = copyButton(() => uri, t`Copy as a link`, "quiet");
  askCode(code, {
    title: t`Enrol an authenticator app`,
    above: [
      h("p", {}, t`Scan this with the app, or type the secret into it.`),
      qrCode(qr, t`QR code for the authenticator app`),
      h("p", { class: "totp-secret" }, h("code", {}, secret), " ", copy),
    ],
    endpoint: "/totp/confirm",
    action: t`Confirm`,
    done,
  });
}

function enrolled({ recovery_codes_left: left, confirmed_at: at }, done) {
  const renew = () =>
    withCode({
      title: t`New recovery codes`,
      above: h("p", {}, t`The old ones work no longer.`),
      endpoint: "/totp/recovery-codes",
      action: t`Make new codes`,
      done,
    });
  const disable = () =>
    withCode({
      title: t`Disable the app`,
      above: h("p", {}, t`Logging in then needs your password alone.`),
      endpoint: "/totp/disable",
      action: t`Disable`,
      look: "danger",
      done,
    });
  const codes = plural(left, {
    one: t`1 recovery code left.`,
    other: t`${left} recovery codes left.`,
  });
  return [
    h("p", {}, t`Enrolled ${ago(at)}.`, " ", codes),
    h(
      "div",
      { class: "form-actions" },
      button(t`New recovery codes…`, { onclick: renew }),
      button(t`Disable…`, { look: "quiet", onclick: disable }),
    ),
  ];
}

function withCode(options) {
  const code = codeField();
  askCode(code, options);
  code.control.focus();
}

function recoveryCodes(codes) {
  const text = codes.join("\n");
  return noticeBox(
    "note",
    h("strong", {}, t`Your recovery codes: keep them now, they are never shown again`),
    h("p", {}, t`Each works once in place of the app. Keep them where your telephone is not.`),
    h("pre", { class: "command-line", tabindex: "0" }, text),
    copyButton(() => text),
  );
}
