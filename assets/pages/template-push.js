// Writing and pushing a template: checked while one types, mistakes beside the lines they are in,
// and beside it what it makes.

import { note } from "../components/announcer.js";
import { busyWhile, button } from "../components/buttons.js";
import { codeEditor } from "../components/code-editor.js";
import { confirm } from "../components/dialogs.js";
import { field, input } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import { keptNotice, noticeBox, problemList, problemBox } from "../components/problems.js";
import { templatePreview } from "../components/template-preview.js";
import { ApiError, get, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { keepDraft, takeDraft, typedText } from "../lib/drafts.js";
import { number, plural, t } from "../lib/language.js";
import { queryText } from "../lib/query.js";
import { guardLeaving, here, navigate } from "../lib/router.js";
import { fieldsAt, valuesAt } from "../lib/schema.js";
import { may, whoAmI } from "../lib/session.js";
import { getDraft, getTemplate, pathOf } from "../lib/templates.js";

const MAX_CHARACTERS = 1024 * 1024;
const PAUSE_MS = 400; // after the last key, before the text is checked

const SAMPLE = `apiVersion: v1
type: AutomationTemplate
metadata:
  name: restart-web
spec:
  metadata:
    displayName: Restart the web tier
    description: Checks the configuration, then restarts the service
  variables:
    - id: service
      label: Service
      type: string
      default: nginx
      isRequired: true
  template:
    phases:
      - name: check
        commands:
          - echo "checking $OPSICLE_VAR_SERVICE"
      - name: restart
        commands:
          - echo "restarting $OPSICLE_VAR_SERVICE"
`;

const NOTHING = { source: SAMPLE, version: 0 };

/** `?draft=` goes on with what was tried, which may be of a template that is not there yet. */
export function mount(root, { name, title, query }) {
  const page = new AbortController();
  const { signal } = page;
  const draft = query.get("draft");
  const work = new Writing(name, draft, signal);
  root.append(
    pageHeading(titleOf(title, name, draft), {
      above: [
        h("a", { href: "/templates" }, t`Templates`),
        name && [" / ", draft ? name : h("a", { href: pathOf({ name }) }, name)],
      ],
      actions: work.actions,
      below: h(
        "p",
        { class: "muted" },
        t`Each push makes a version that never changes. What is the same as the newest version makes none.`,
      ),
    }),
    ...work.elements,
  );
  const forget = keepDraft("template", () => work.text.value || null);
  work.start();
  return () => {
    forget();
    page.abort();
  };
}

function titleOf(title, name, draft) {
  if (draft) return t`Draft of ${name}`;
  return name ? t`${title} of ${name}` : title;
}

/** A template as somebody writes it: its text, what was found in it, and whether it is pushed. */
class Writing {
  #name;
  #draftId;
  #tried = null; // the draft that the address names
  #signal;
  #base = ""; // the text from which it began
  #version = 0; // of it; 0: there is none yet
  #expected = 0; // the newest version that whoever writes knows of
  #checked; // the name that the text gives, as of when it was last checked
  #typed;
  #schema = null;
  #timer = 0;
  #turn = 0;
  #isTrying = false; // and so what is typed is not given up by going to the form
  #notice = h("div", {});
  #findings = h("div", { class: "findings", role: "status" });
  #preview = templatePreview();
  #editor = codeEditor({
    label: t`Template (YAML)`,
    offersAt: (place) => this.#offersAt(place),
  });
  #message = field({
    label: t`What changes, and why`,
    path: "message",
    help: t`Stands with the version from then on.`,
    control: input({ maxlength: 500 }),
  });
  #try = button(t`Try it`, {
    name: "run",
    title: t`Runs it as it is typed, without pushing it`,
    onclick: () => busyWhile(this.#try, () => this.#tryIt()),
  });
  #push = button(t`Push`, {
    look: "primary",
    onclick: () => busyWhile(this.#push, () => this.#send()),
  });
  #file = h("input", { type: "file", accept: ".yaml,.yml,text/yaml", class: "unseen", id: "file" });

  constructor(name, draft, signal) {
    this.#name = name;
    this.#draftId = draft;
    this.#signal = signal;
    this.#typed = typedText(name ? pathOf({ name }) : t`a new template`);
    const listen = (target, kind, action) => target.addEventListener(kind, action, { signal });
    listen(this.#file, "change", () => this.#readFile(this.#file.files[0]));
    listen(this.text, "input", () => this.#changed());
    listen(window, "beforeunload", (event) => this.#isChanged && event.preventDefault());
    const isNeeded = () => whoAmI() && this.#isChanged && !this.#isTrying;
    const stop = guardLeaving({ isNeeded, ask: askToLeave });
    signal.addEventListener("abort", () => (stop(), clearTimeout(this.#timer)));
  }

  get text() {
    return this.#editor.text;
  }

  get actions() {
    const open = h("label", { class: "button", for: "file" }, t`Open a file…`);
    return [open, this.#file, may("automations.create") && this.#try, this.#push];
  }

  get elements() {
    const write = h(
      "div",
      { class: "writing" },
      this.#notice,
      this.#findings,
      this.#editor.element,
      this.#message.element,
    );
    return [h("div", { class: "editor-page" }, write, this.#preview.element)];
  }

  get #isChanged() {
    return this.text.value !== this.#base;
  }

  async start() {
    const controls = [this.text, this.#file, this.#try, this.#push];
    // what is typed before the newest version is there would be overwritten by it
    for (const control of controls) control.disabled = true;
    this.#loadSchema();
    try {
      if (this.#draftId) this.#tried = await getDraft(this.#draftId, { signal: this.#signal });
      const isThere = this.#tried ? this.#tried.latest_version > 0 : this.#name;
      const newest = isThere ? await this.#newest() : NOTHING;
      [this.#base, this.#version] = [newest.source, newest.version];
      this.#expected = newest.version;
      this.#fill();
    } catch (error) {
      if (!this.#signal.aborted) replace(this.#findings, problemBox(error));
    }
    for (const control of controls) control.disabled = false;
  }

  #newest() {
    return getTemplate(this.#name, "", { signal: this.#signal });
  }

  /** Begin with what was written before, if anything was. */
  #fill() {
    const kept = takeDraft("template", here());
    const before = JSON.parse(this.#typed.read() ?? "null");
    const typed = kept ?? before?.text ?? this.#tried?.source ?? this.#base;
    this.#editor.fill(typed);
    this.#check();
    if (before && typed !== this.#base) this.#expected = before.version;
    if (kept !== null) replace(this.#notice, keptNotice());
    else if (before && typed !== this.#base)
      replace(this.#notice, this.#typedNotice(before.version));
  }

  #typedNotice(version) {
    const giveUp = () => {
      this.#editor.fill(this.#base);
      this.#expected = this.#version;
      this.#notice.replaceChildren();
      this.#changed();
    };
    return noticeBox(
      "note",
      h("p", {}, t`Here is what you had typed, and not pushed.`),
      version !== this.#version &&
        h(
          "p",
          {},
          t`Version ${this.#version} has been pushed since: what it changed is not in it.`,
        ),
      button(t`Give it up`, { onclick: giveUp }),
    );
  }

  /** Offer fields once the schema is there; without it one types as before. */
  async #loadSchema() {
    try {
      this.#schema = await get("/template-schema", { signal: this.#signal });
    } catch (error) {
      console.debug(error);
    }
  }

  #offersAt({ path, key }) {
    if (!this.#schema) return [];
    return key === undefined ? fieldsAt(this.#schema, path) : valuesAt(this.#schema, path, key);
  }

  #changed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#check(), PAUSE_MS);
    if (this.#isChanged)
      this.#typed.keep(JSON.stringify({ text: this.text.value, version: this.#expected }));
    else this.#typed.forget();
  }

  async #check() {
    const turn = ++this.#turn;
    const isWanted = () => turn === this.#turn && !this.#signal.aborted;
    try {
      const body = { source: this.text.value };
      const found = await post("/templates/validate", { body, signal: this.#signal });
      if (!isWanted()) return;
      this.#checked = found.name;
      this.#editor.mark(found.warnings);
      this.#preview.show(found);
      if (this.#isChanged) replace(this.#findings, this.#verdict(found));
    } catch (error) {
      if (isWanted()) this.#showMistakes(error);
    }
  }

  #verdict({ name, warnings }) {
    if (!warnings.length) return h("p", { class: "good" }, t`No mistakes in ${name}.`);
    const list = problemList(warnings, this.#editor.goTo);
    return noticeBox("warn", h("strong", {}, t`Worth a look`), list);
  }

  #showMistakes(error) {
    const last = this.text.value.split("\n").length; // what is missing at the end stands beyond it
    const problems = (error.errors ?? []).map((each) =>
      each.line > last ? { ...each, line: last } : each,
    );
    this.#editor.mark(problems);
    this.#preview.hold();
    const list = problemList(problems, this.#editor.goTo);
    const title = h("strong", {}, mistakesText(problems.length)); // what they are stands below
    replace(this.#findings, problems.length ? noticeBox("bad", title, list) : problemBox(error));
  }

  async #send() {
    clearTimeout(this.#timer);
    this.#turn += 1; // what is still being checked is not shown over the answer
    try {
      const source = this.text.value;
      const message = this.#message.control.value.trim();
      const body = { source, message, expected_version: this.#expected };
      const pushed = await post("/templates", { body });
      note(
        pushed.is_new
          ? t`Pushed ${pushed.name}, version ${pushed.version}`
          : t`Nothing new: version ${pushed.version} of ${pushed.name} says the same`,
      );
      this.#typed.forget();
      this.#base = this.text.value;
      navigate(pathOf(pushed));
    } catch (error) {
      if (error.code === "version_conflict") await this.#showConflict(error);
      else this.#showMistakes(error);
      this.#findings.scrollIntoView({ block: "nearest" });
    }
  }

  /** Keep what is typed as a draft, and lead to its form; what is pushed already has one. */
  async #tryIt() {
    if (this.#version && !this.#isChanged) return navigate(`${pathOf({ name: this.#name })}/run`);
    try {
      const { name, id } = await post("/template-drafts", { body: { source: this.text.value } });
      if (this.#signal.aborted) return null;
      this.#isTrying = true;
      return navigate(`${pathOf({ name })}/run${queryText({ draft: id })}`);
    } catch (error) {
      this.#showMistakes(error);
      this.#findings.scrollIntoView({ block: "nearest" });
      return null;
    }
  }

  /** What is typed stays; it is pushed over what somebody else has pushed only if that is meant. */
  async #showConflict(error) {
    const pushOver = (newest) => {
      this.#expected = newest;
      return busyWhile(this.#push, () => this.#send());
    };
    const name = this.#name || this.#checked;
    const wanted = { name, version: this.#expected, pushOver, signal: this.#signal };
    try {
      const { versionConflict } = await import("../components/version-conflict.js");
      replace(this.#findings, await versionConflict(wanted));
    } catch (problem) {
      console.debug(problem); // perhaps they may not see that template
      this.#showMistakes(error);
    }
  }

  async #readFile(file) {
    if (!file) return;
    if (file.size > MAX_CHARACTERS) {
      const detail = t`A template has at most 1 MiB.`;
      replace(
        this.#findings,
        problemBox(new ApiError({ title: t`The file is too large`, detail })),
      );
      return;
    }
    this.#editor.fill(await file.text());
    this.#changed();
  }
}

function mistakesText(count) {
  return plural(count, { one: t`1 mistake`, other: t`${number(count)} mistakes` });
}

/** What is typed is kept in any case, so leaving costs nothing but the way back. */
function askToLeave() {
  return new Promise((resolve) => {
    const dialog = confirm({
      title: t`Leave without pushing?`,
      text: t`What you have typed stays in this tab: it is here when you come back.`,
      action: t`Leave`,
      look: "primary",
      back: t`Stay`,
      run: () => resolve(true),
    });
    dialog.addEventListener("close", () => resolve(false));
  });
}
