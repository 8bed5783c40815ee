// Running a template: its variables as a form, and what will happen before it does.

import { button, buttonLink, copyButton } from "../components/buttons.js";
import { field, input } from "../components/fields.js";
import { pageForm } from "../components/forms.js";
import { pageHeading } from "../components/headings.js";
import { lastResult } from "../components/last-result.js";
import { loadInto } from "../components/loading.js";
import { keptNotice, noticeBox } from "../components/problems.js";
import { runPreview } from "../components/run-preview.js";
import { foldedPhases } from "../components/steps.js";
import { placeView } from "../components/targets.js";
import { variableField } from "../components/variable-fields.js";
import { workerChoice } from "../components/worker-choice.js";
import { get, post } from "../lib/api.js";
import { randomId } from "../lib/bytes.js";
import { h, replace } from "../lib/dom.js";
import { keepDraft, takeDraft } from "../lib/drafts.js";
import { formLink, readFormLink, withoutRefused } from "../lib/form-links.js";
import { t } from "../lib/language.js";
import { queryText } from "../lib/query.js";
import { here, navigate, replaceQuery } from "../lib/router.js";
import { may, whoAmI } from "../lib/session.js";
import { draftPath, getDraft, getTemplate, pathOf } from "../lib/templates.js";
import { ago, instantOf, zoneName } from "../lib/times.js";
import { environmentName, WrongValue } from "../lib/values.js";
import { visible, visibleValue } from "../lib/visible.js";

/**
 * `?version=` runs an older version, `?from=` fills the form with the values of an automation,
 * `?var.ID=` with one value, `?reason=` with a reason, `?worker=` with the one that is to take it.
 * `?draft=` tries what somebody writes in the place of a version.
 */
export function mount(root, { name, query }) {
  const page = new AbortController();
  const content = h("div", {}, pageHeading(t`Run ${name}`));
  root.append(content);
  let forget = () => {};
  loadInto(
    content,
    page.signal,
    () => load(name, query, page),
    (loaded) => {
      const kept = takeDraft("run", here());
      forget();
      forget = keepDraft("run", show(content, loaded, kept, page.signal));
    },
  );
  return () => (forget(), page.abort());
}

async function load(name, query, { signal }) {
  const version = query.get("version");
  const from = query.get("from");
  const draft = query.get("draft");
  const [template, earlier, need, last] = await Promise.all([
    draft ? getDraft(draft, { signal }) : getTemplate(name, version, { signal }),
    from && get("/automations/{automation_id}", { path: { automation_id: from }, signal }),
    draft
      ? needOfDraft(name, draft, signal)
      : get("/templates/{name}/approval", { path: { name }, query: { version }, signal }),
    !from && lastOf(name, signal),
  ]);
  const link = readFormLink(template.variables, query);
  if (link.refused.length) replaceQuery(withoutRefused(query, link.refused));
  return {
    template: { ...template, draft },
    earlier,
    need,
    last,
    link: { ...link, reason: query.get("reason"), worker: query.get("worker") },
  };
}

async function needOfDraft(name, draft, signal) {
  const body = { template: name, draft };
  return (await post("/automations/preview", { body, signal })).need;
}

/** What the person has run of it last; null if nothing. */
async function lastOf(name, signal) {
  if (!may("automations.view")) return null;
  const query = { template: name, requester: whoAmI().user.id, limit: 1 };
  const { items } = await get("/automations", { query, signal });
  return items[0] ?? null;
}

/**
 * Draw the form, filled with what was `kept` of it from before a login; gives what says what it
 * holds.
 */
function show(content, { template, earlier, need, last, link }, kept, signal) {
  const environment = h("div", {});
  const drawEnvironment = () => replace(environment, environmentView(fields));
  const changed = () => {
    drawEnvironment();
    preview.look();
  };
  const filled = { kept, link, earlier };
  const fields = template.variables.map((variable) => fieldOf(variable, filled, changed));
  const reason = reasonField(filled);
  const wanted = kept?.worker ?? link.worker ?? earlier?.only_worker;
  const worker = workerChoice(template, wanted, changed);
  const start = startField(filled);
  let isAsked = need.is_needed;
  const submit = button("", { look: "primary", name: "run", type: "submit" });
  const nameSubmit = () => (submit.lastChild.textContent = whatSubmitDoes(isAsked, start.value()));
  start.control.addEventListener("input", nameSubmit);
  nameSubmit();
  const preview = runPreview({
    need,
    request: () => ({ ...requestOf(template, worker), ...readable(fields) }),
    found: (found) => {
      for (const each of fields) each.tell(saidOf(each, found.problems));
      if (!worker.value()) worker.offer(found.workers);
      isAsked = found.need.is_needed;
      nameSubmit();
    },
    signal,
  });
  const send = sender(template, worker);
  const form = pageForm({
    look: "columns run",
    above: fields.length === 0 && h("p", { class: "muted" }, t`It asks for nothing.`),
    fields: [...fields, reason, worker, start],
    beside: whatHappens(template, {
      environment,
      result: resultOf({ earlier, last }, signal),
      signal,
    }),
    check: () => fields.flatMap((each) => each.problems()),
    submit,
    foot: [preview.element, formActions(submit, template, fields)],
    send: async () => {
      const values = valuesOf(fields);
      const automation = await send(values, reason.control.value.trim(), start.value());
      navigate(`/automations/${automation.id}`);
    },
  });
  drawEnvironment();
  replace(
    content,
    heading(template, wayBack(template)),
    earlier && earlierNotice(earlier, template),
    kept && keptNotice(template.variables.some((variable) => variable.type === "secret")),
    last && !kept && fields.length > 0 && lastView(last, template),
    linkNotice(link),
    codeView(template),
    form,
  );
  const controls = [...fields, reason].map((each) => each.control);
  const first = controls.find((control) => control && !control.value) ?? submit;
  first.focus({ preventScroll: true });
  return () => ({
    texts: typedIn(fields),
    reason: reason.control.value,
    worker: worker.value(),
    start: start.control.value,
  });
}

function formActions(submit, template, fields) {
  const copyLink = () => formLink(`${pathOf(template)}/run`, template.variables, typedIn(fields));
  return h(
    "div",
    { class: "form-actions" },
    submit,
    fields.length > 0 && !template.draft && copyButton(copyLink, t`Copy a link to this form`),
    buttonLink(t`Back`, wayBack(template), { look: "quiet" }),
  );
}

/** Where one comes from: the page of the template, or the editor in which a draft is written. */
function wayBack(template) {
  const { name, draft } = template;
  return draft ? draftPath({ name, id: draft }) : pathOf(template);
}

function whatSubmitDoes(isAsked, startsAt) {
  if (isAsked) return t`Ask to run`;
  return startsAt ? t`Plan it` : t`Run now`;
}

/** When it is to begin, in the person's time zone; `value()` is that for the server. */
function startField({ kept }) {
  const control = input({ type: "datetime-local", value: kept?.start ?? "" });
  const help = t`In your time zone (${zoneName()}). Empty: as soon as it may. Who must agree is asked now.`;
  const value = () => (control.value ? instantOf(control.value) : undefined);
  const shared = { label: t`Start at`, isOptional: true, path: "start_at" };
  return { ...field({ ...shared, help, control }), value };
}

function lastView({ id, created_at: at }, template) {
  const { version, latest_version: newest, draft } = template;
  const old = version !== newest && version;
  const href = `${pathOf(template)}/run${queryText({ from: id, version: old, draft })}`;
  const link = h("a", { href }, t`Fill in the values of then`);
  return h("p", { class: "last-values" }, t`You ran it ${ago(at)}.`, " ", link);
}

/** What of a link could not be taken; what is refused stands in the address no longer. */
function linkNotice({ refused, unknown }) {
  const names = (ids) => visible(ids.join(", "));
  const texts = [
    refused.length > 0 &&
      t`Secret values and files are not taken from a link: enter ${names(refused)} yourself.`,
    unknown.length > 0 && t`The link names what this version does not ask for: ${names(unknown)}.`,
  ].filter(Boolean);
  return texts.length > 0 && noticeBox("warn", ...texts.map((text) => h("p", {}, text)));
}

function requestOf({ name, version, draft }, worker) {
  const what = draft ? { draft } : { version };
  return { template: name, ...what, worker: worker.value() };
}

function fieldOf(variable, { kept, link, earlier }, changed) {
  const isKept = variable.type !== "secret" && variable.type !== "file";
  const given = isKept ? earlier?.values[variable.id] : undefined;
  return variableField(
    variable,
    given,
    changed,
    kept?.texts[variable.id] ?? link.texts[variable.id],
  );
}

function reasonField({ kept, link, earlier }) {
  const value = kept?.reason ?? link.reason ?? earlier?.reason ?? "";
  return field({
    label: t`Reason`,
    isOptional: true,
    path: "reason",
    help: t`Why you run it: a ticket, an alert. Stays in the record.`,
    control: input({ maxlength: 500, value }),
  });
}

/** The values that can be read as they are, for the preview: it gets no secret one. */
function readable(fields) {
  const values = {};
  for (const { variable, value } of fields) {
    if (variable.type === "secret") continue;
    try {
      const now = value();
      if (now !== undefined) values[variable.id] = now;
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
    }
  }
  return { values };
}

function saidOf({ path, variable }, problems) {
  if (variable.type === "secret") return "";
  const own = problems.find(
    (problem) => problem.path === path || problem.path.startsWith(`${path}[`),
  );
  return own?.message ?? "";
}

function earlierNotice({ id, version }, template) {
  const link = h("a", { href: `/automations/${id}` }, t`an earlier run`);
  const filled =
    template.draft || version === template.version
      ? t`Filled with the values of ${link}.`
      : t`Filled with the values of ${link}, which ran version ${version}; this is version ${template.version}.`;
  const files = template.variables.some((variable) => variable.type === "file");
  const anew = files && t`Files are to be chosen anew; to take the same ones, run it again there.`;
  return noticeBox("note", h("p", {}, filled, " ", anew));
}

function valuesOf(fields) {
  const values = fields.map((each) => [each.variable.id, each.value()]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

/** What is typed, save for secret values, which are kept nowhere. */
function typedIn(fields) {
  const shown = fields.filter((each) => each.variable.type !== "secret");
  return Object.fromEntries(shown.map((each) => [each.variable.id, each.text()]));
}

function heading(template, path) {
  return pageHeading(t`Run ${visible(template.display_name || template.name)}`, {
    above: [
      h("a", { href: "/templates" }, t`Templates`),
      " / ",
      template.draft ? template.name : h("a", { href: path }, template.name),
    ],
    below: h(
      "p",
      { class: "muted" },
      template.description ? `${visible(template.description)} · ` : "",
      whichVersion(template),
    ),
  });
}

function whichVersion({ draft, version, latest_version: newest }) {
  if (draft) return t`draft: it is in no list until it is pushed`;
  return version === newest
    ? t`version ${version}`
    : t`version ${version} (the newest is ${newest})`;
}

function codeView(template) {
  if (!template.needs_mfa) return null;
  const profile = h("a", { href: "/profile" }, t`Profile`);
  return noticeBox(
    "note",
    h("strong", {}, t`It asks for a fresh code of your authenticator app`),
    h("p", {}, t`If you have none yet, enrol one on the page ${profile} first.`),
  );
}

/** How it went when it ran with these values, or when the person ran it last. */
function resultOf({ earlier, last }, signal) {
  if (earlier) return lastResult(earlier.id, t`How it went then`, signal);
  return last && lastResult(last.id, t`How it went last`, signal);
}

function whatHappens(template, { environment, result, signal }) {
  return h(
    "section",
    { class: "aside" },
    h("h2", {}, t`What will run`),
    foldedPhases(template, signal),
    h("h2", {}, t`Where it runs`),
    placeView(template),
    h("h2", {}, t`What the commands see`),
    environment,
    result,
  );
}

/** The values as the commands will see them: data in the environment, never part of a command. */
function environmentView(fields) {
  if (!fields.length) return h("p", { class: "muted" }, t`No variables.`);
  const lines = fields.map((each) =>
    h(
      "div",
      {},
      h("span", { class: "code-key" }, environmentName(each.variable.id)),
      "=",
      shownValue(each),
    ),
  );
  return h("div", { class: "source environment" }, lines);
}

function shownValue({ variable, value, shown }) {
  try {
    const now = value() ?? variable.default;
    if (shown && now) return h("span", {}, t`the path of ${shown()}`);
    if (variable.type === "secret" && now) return "••••";
    return now === undefined || now === null
      ? h("span", { class: "muted" }, " ", t`not set`)
      : visibleValue(now).replaceAll("⏎\n", "⏎").replaceAll("\n", ", ");
  } catch (error) {
    if (!(error instanceof WrongValue)) throw error;
    return h("span", { class: "muted" }, ` ${error.message}`);
  }
}

/** Sends each content of the form once, however often the button is hit or the answer gets lost. */
function sender(template, worker) {
  let key = "";
  let sent = "";
  return (values, reason, startsAt) => {
    const body = { ...requestOf(template, worker), values, reason, start_at: startsAt };
    if (JSON.stringify(body) !== sent) {
      key = randomId();
      sent = JSON.stringify(body);
    }
    return post("/automations", { body, headers: { "Idempotency-Key": key } });
  };
}
