// Oneself: authenticator app, sessions, password.

import { announce } from "../components/announcer.js";
import { authenticator } from "../components/authenticator.js";
import { busyWhile, button, buttonLink } from "../components/buttons.js";
import { ask } from "../components/dialogs.js";
import { field, input, showProblems } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { newPassword } from "../components/new-password.js";
import { notifications } from "../components/notifications.js";
import { noticeBox, problemBox } from "../components/problems.js";
import { get, getAll, post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { whoAmI } from "../lib/session.js";
import { ago, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root) {
  const page = new AbortController();
  const [fresh, app, sessions] = [h("div", {}), h("div", {}), h("div", {})];
  const loadApp = () =>
    loadInto(
      app,
      page.signal,
      () => get("/totp", page),
      (status) => replace(app, ...authenticator(status, fresh, loadApp)),
    );
  const loadSessions = () =>
    loadInto(
      sessions,
      page.signal,
      () => getAll("/sessions", page),
      (items) => replace(sessions, table(items, loadSessions)),
    );
  const { user } = whoAmI();
  root.append(
    pageHeading("Profile", {
      actions: buttonLink("API tokens", "/tokens"),
      below: h("p", { class: "muted" }, visible(user.name), " · ", visible(user.email)),
    }),
    h("section", { class: "profile-part" }, h("h2", {}, "Authenticator app"), fresh, app),
    h("section", { class: "profile-part" }, h("h2", {}, "Sessions"), sessions),
    notifications(page.signal),
    h("section", { class: "profile-part" }, h("h2", {}, "Password"), passwordForm(loadSessions)),
  );
  loadApp();
  loadSessions();
  return () => page.abort();
}

function table(items, reload) {
  const heads = ["Where", "From", "Began", "Last used", "Ends"].map((text) =>
    h("th", { scope: "col" }, text),
  );
  return h(
    "table",
    { class: "table" },
    h(
      "thead",
      {},
      h("tr", {}, heads, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions"))),
    ),
    h(
      "tbody",
      {},
      items.map((item) => row(item, reload)),
    ),
  );
}

function row(item, reload) {
  const kind = item.kind === "browser" ? "Browser" : "Command line";
  const end = () =>
    ask({
      title: "End this session?",
      content: h("p", {}, `${kind} at ${item.address} is logged out at once.`),
      actions: [
        {
          text: "End the session",
          look: "danger",
          run: () => remove(`/sessions/${item.id}`).then(reload),
        },
      ],
    });
  return h(
    "tr",
    {},
    h(
      "td",
      {},
      h("strong", {}, kind),
      " ",
      h("span", { class: "fact" }, item.is_current ? "this one" : item.org),
    ),
    h("td", { dataset: { label: "From" } }, visible(item.address)),
    h("td", { dataset: { label: "Began" } }, ago(item.created_at)),
    h("td", { dataset: { label: "Last used" } }, ago(item.last_used_at)),
    h(
      "td",
      { dataset: { label: "Ends" } },
      exactTime(item.expires_at),
      h("div", { class: "muted small" }, "unused: ", exactTime(item.idle_expires_at)),
    ),
    h(
      "td",
      { class: "table-actions" },
      !item.is_current &&
        button("End…", {
          look: "quiet danger-text",
          "aria-label": `End ${kind} at ${item.address}`,
          onclick: end,
        }),
    ),
  );
}

function passwordForm(reloadSessions) {
  const { user } = whoAmI();
  const current = field({
    label: "Current password",
    path: "current_password",
    control: input({ type: "password", autocomplete: "current-password" }),
  });
  const chosen = newPassword();
  const fields = [current, ...chosen.fields];
  const outcome = h("div", {});
  const submit = button("Change the password", { type: "submit" });
  const form = h(
    "form",
    { class: "form profile-form", novalidate: true },
    h("input", {
      type: "email",
      autocomplete: "username",
      value: user.email,
      "aria-label": "Your e-mail",
      hidden: true,
    }),
    fields.map((each) => each.element),
    outcome,
    h("div", { class: "form-actions" }, submit),
  );
  const change = async () => {
    outcome.replaceChildren();
    const problems = chosen.problems();
    showProblems(fields, problems);
    if (problems.length) return;
    try {
      await post("/password", {
        current_password: current.control.value,
        password: chosen.value(),
      });
    } catch (error) {
      if (!error.errors?.length || showProblems(fields, error.errors).length)
        replace(outcome, problemBox(error));
      return;
    }
    for (const each of fields) each.control.value = "";
    announce("The password is changed");
    replace(outcome, noticeBox("note", "The password is changed. Your other sessions have ended."));
    reloadSessions();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busyWhile(submit, change);
  });
  return form;
}
