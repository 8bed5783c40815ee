// Running a template: its variables as a form, and what will happen before it does.

import { needView } from "../components/approval-need.js";
import { busyWhile, button, buttonLink } from "../components/buttons.js";
import { field, input, showProblems } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { keptNotice, noticeBox, placesList, problemBox } from "../components/problems.js";
import { planView } from "../components/steps.js";
import { variableField } from "../components/variable-fields.js";
import { get, post, withQuery } from "../lib/api.js";
import { randomId } from "../lib/bytes.js";
import { h, replace } from "../lib/dom.js";
import { keepDraft, takeDraft } from "../lib/drafts.js";
import { here, navigate } from "../lib/router.js";
import { environmentName, WrongValue } from "../lib/values.js";
import { visible, visibleValue } from "../lib/visible.js";

/** `?version=` runs an older version, `?from=` fills the form with the values of an automation. */
export function mount(root, { name, query }) {
  const page = new AbortController();
  const content = h("div", {}, pageHeading(`Run ${name}`));
  root.append(content);
  const path = `/templates/${encodeURIComponent(name)}`;
  const load = () =>
    Promise.all([
      get(
        query.get("version")
          ? `${path}/versions/${encodeURIComponent(query.get("version"))}`
          : path,
        page,
      ),
      query.get("from") ? get(`/automations/${encodeURIComponent(query.get("from"))}`, page) : null,
      get(withQuery(`${path}/approval`, { version: query.get("version") }), page),
    ]);
  let forget = () => {};
  loadInto(content, page.signal, load, ([template, earlier, need]) => {
    const kept = takeDraft("run", here());
    forget();
    forget = keepDraft("run", show(content, { template, earlier, need, path, kept }));
  });
  return () => (forget(), page.abort());
}

/** Draw the form, filled with what was `kept` of it from before a login; gives what says what it holds. */
function show(content, { template, earlier, need, path, kept }) {
  const environment = h("div", {});
  const drawEnvironment = () => replace(environment, environmentView(fields));
  const fields = template.variables.map((variable) =>
    variableField(
      variable,
      variable.type === "secret" ? undefined : earlier?.values[variable.id],
      drawEnvironment,
      kept?.texts[variable.id],
    ),
  );
  const reason = field({
    label: "Reason",
    path: "reason",
    help: "Why you run it: a ticket, an alert. Stays in the record.",
    control: input({ maxlength: 500, value: kept?.reason ?? earlier?.reason ?? "" }),
  });
  const submit = button(need.is_needed ? "Ask to run" : "Run now", {
    look: "primary",
    name: "run",
    type: "submit",
  });
  const trouble = h("div", {});
  const form = h(
    "form",
    { class: "form", novalidate: true },
    fields.map((each) => each.element),
    reason.element,
    trouble,
    h("div", { class: "form-actions" }, submit, buttonLink("Back", path, { look: "quiet" })),
  );
  const send = sender(template);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busyWhile(submit, () => trigger({ fields, reason, trouble, send }));
  });
  drawEnvironment();
  const cannot = template.unsupported.length > 0;
  replace(
    content,
    heading(template, path),
    earlier &&
      noticeBox(
        "note",
        h(
          "p",
          {},
          "Filled with the values of ",
          h("a", { href: `/automations/${earlier.id}` }, "an earlier run"),
          earlier.version !== template.version &&
            `, which ran version ${earlier.version}; this is version ${template.version}`,
          ".",
        ),
      ),
    kept && keptNotice(template.variables.some((variable) => variable.type === "secret")),
    needView(need),
    codeView(template),
    cannot
      ? noticeBox(
          "bad",
          h("strong", {}, "This template cannot run yet"),
          placesList(template.unsupported),
        )
      : h(
          "div",
          { class: "columns run" },
          h(
            "section",
            {},
            !fields.length && h("p", { class: "muted" }, "It asks for nothing."),
            form,
          ),
          whatHappens(template, environment),
        ),
  );
  const first = [...fields.map((each) => each.control), reason.control].find(
    (control) => control && !control.value,
  );
  (cannot ? content.querySelector("h1") : (first ?? submit)).focus({ preventScroll: true });
  return () => ({ texts: typedIn(fields), reason: reason.control.value });
}

/** What is typed, save for secret values, which are kept nowhere. */
function typedIn(fields) {
  const shown = fields.filter((each) => each.variable.type !== "secret");
  return Object.fromEntries(shown.map((each) => [each.variable.id, each.text()]));
}

function heading(template, path) {
  return pageHeading(`Run ${visible(template.display_name || template.name)}`, {
    above: [
      h("a", { href: "/templates" }, "Templates"),
      " / ",
      h("a", { href: path }, template.name),
    ],
    below: h(
      "p",
      { class: "muted" },
      template.description ? `${visible(template.description)} · ` : "",
      `version ${template.version}`,
      template.version !== template.latest_version && ` (the newest is ${template.latest_version})`,
    ),
  });
}

function codeView(template) {
  if (!template.needs_mfa) return null;
  return noticeBox(
    "note",
    h("strong", {}, "It asks for a fresh code of your authenticator app"),
    h(
      "p",
      {},
      "If you have none yet, enrol one on the page ",
      h("a", { href: "/profile" }, "Profile"),
      " first.",
    ),
  );
}

function whatHappens(template, environment) {
  return h(
    "section",
    { class: "aside" },
    h("h2", {}, "What will run"),
    planView(template.phases),
    h("h2", {}, "What the commands see"),
    environment,
  );
}

/** The values as the commands will see them: data in the environment, never part of a command. */
function environmentView(fields) {
  if (!fields.length) return h("p", { class: "muted" }, "No variables.");
  const lines = fields.map((each) =>
    h(
      "div",
      {},
      h("span", { class: "yaml-key" }, environmentName(each.variable.id)),
      "=",
      shownValue(each),
    ),
  );
  return h("div", { class: "source environment" }, lines);
}

function shownValue({ variable, value }) {
  try {
    const now = value() ?? variable.default;
    if (variable.type === "secret" && now) return "••••";
    return now === undefined || now === null
      ? h("span", { class: "muted" }, " not set")
      : visibleValue(now).replaceAll("⏎\n", "⏎").replaceAll("\n", ", ");
  } catch (error) {
    if (!(error instanceof WrongValue)) throw error;
    return h("span", { class: "muted" }, ` ${error.message}`);
  }
}

async function trigger({ fields, reason, trouble, send }) {
  trouble.replaceChildren();
  const wrong = fields.filter((each) => !each.check());
  if (wrong.length) {
    wrong[0].control.focus();
    return;
  }
  const values = Object.fromEntries(
    fields
      .map((each) => [each.variable.id, each.value()])
      .filter(([, value]) => value !== undefined),
  );
  try {
    const automation = await send(values, reason.control.value.trim());
    navigate(`/automations/${automation.id}`);
  } catch (error) {
    const others = showProblems([...fields, reason], error.errors ?? []);
    if (!error.errors?.length) replace(trouble, problemBox(error));
    else if (others.length) replace(trouble, problemBox(Object.assign(error, { errors: others })));
  }
}

/** Sends each content of the form once, however often the button is hit or the answer gets lost. */
function sender(template) {
  let key = "";
  let sent = "";
  return (values, reason) => {
    const body = { template: template.name, version: template.version, values, reason };
    if (JSON.stringify(body) !== sent) {
      key = randomId();
      sent = JSON.stringify(body);
    }
    return post("/automations", body, { headers: { "Idempotency-Key": key } });
  };
}
