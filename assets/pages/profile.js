// Oneself: authenticator app, sessions, password.

import { announce } from "../components/announcer.js";
import { authenticator } from "../components/authenticator.js";
import { button, buttonLink } from "../components/buttons.js";
import { confirm } from "../components/dialogs.js";
import { displayForm } from "../components/display-form.js";
import { field, input } from "../components/fields.js";
import { pageForm } from "../components/forms.js";
import { pageHeading } from "../components/headings.js";
import { actionsColumn, column, List } from "../components/list.js";
import { loadInto } from "../components/loading.js";
import { newPassword } from "../components/new-password.js";
import { notifications } from "../components/notifications.js";
import { noticeBox } from "../components/problems.js";
import { get, post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { whoAmI } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root, { title }) {
  const page = new AbortController();
  const [fresh, app] = [h("div", {}), h("div", {})];
  const loadApp = () =>
    loadInto(
      app,
      page.signal,
      () => get("/totp", page),
      (status) => replace(app, authenticator(status, fresh, loadApp)),
    );
  const sessions = new List({
    label: t`Sessions`,
    endpoint: "/sessions",
    columns: [...COLUMNS, actionsColumn((session) => endButton(session, sessions.reload))],
    signal: page.signal,
  });
  const { user } = whoAmI();
  root.append(
    pageHeading(title, {
      actions: buttonLink(t`API tokens`, "/tokens"),
      below: h("p", { class: "muted" }, visible(user.name), " · ", visible(user.email)),
    }),
    part(t`Language and times`, displayForm()),
    part(t`Authenticator app`, fresh, app),
    part(t`Sessions`, sessions.element),
    notifications(page.signal),
    part(t`Password`, passwordForm(user, sessions.reload)),
  );
  loadApp();
  return () => page.abort();
}

function part(title, ...content) {
  return h("section", { class: "profile-part" }, h("h2", {}, title), content);
}

const COLUMNS = [
  column(t`Where`, (session) => [
    h("strong", {}, kindOf(session)),
    " ",
    h("span", { class: "fact" }, session.is_current ? t`this one` : session.org),
  ]),
  column(t`From`, ({ address }) => visible(address)),
  column(t`Began`, ({ created_at: at }) => ago(at), { isMinor: true }),
  column(t`Last used`, ({ last_used_at: at }) => ago(at)),
  column(
    t`Ends`,
    ({ expires_at: end, idle_expires_at: idleEnd }) => [
      ago(end),
      h("div", { class: "muted small" }, t`if unused: ${ago(idleEnd)}`),
    ],
    { card: "line" },
  ),
];

function kindOf({ kind }) {
  return kind === "browser" ? t`Browser` : t`Command line`;
}

function endButton(session, done) {
  if (session.is_current) return null;
  const which = t`${kindOf(session)} at ${session.address}`;
  const onclick = () =>
    confirm({
      title: t`End this session?`,
      text: t`${which} is logged out at once.`,
      action: t`End the session`,
      run: () => remove("/sessions/{session_id}", { path: { session_id: session.id } }),
      done,
    });
  return button(t`End…`, { look: "quiet", "aria-label": t`End ${which}`, onclick });
}

function passwordForm({ email }, reloadSessions) {
  const current = field({
    label: t`Current password`,
    path: "current_password",
    control: input({ type: "password", autocomplete: "current-password" }),
  });
  const chosen = newPassword();
  const fields = [current, ...chosen.fields];
  const outcome = h("div", {});
  const send = async () => {
    outcome.replaceChildren();
    const body = { current_password: current.control.value, password: chosen.value() };
    await post("/password", { body });
    for (const each of fields) each.control.value = "";
    announce(t`The password is changed`);
    const text = t`The password is changed. Your other sessions have ended.`;
    replace(outcome, noticeBox("note", text));
    reloadSessions();
  };
  const submit = button(t`Change the password`, { type: "submit" });
  const name = { type: "email", autocomplete: "username", value: email, hidden: true };
  return pageForm({
    look: "form profile-form",
    above: h("input", { ...name, "aria-label": t`Your e-mail` }), // for password managers
    fields,
    check: chosen.problems,
    submit,
    foot: [outcome, h("div", { class: "form-actions" }, submit)],
    send,
  });
}
