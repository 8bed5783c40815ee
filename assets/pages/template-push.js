// Pushing a template: a file or typed text, checked while one types, mistakes beside the lines they
// are in.

import { note } from "../components/announcer.js";
import { busyWhile, button } from "../components/buttons.js";
import { pageHeading } from "../components/headings.js";
import {
  keptNotice,
  noticeBox,
  problemList,
  problemBox,
  sentence,
} from "../components/problems.js";
import { ApiError, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { keepDraft, takeDraft } from "../lib/drafts.js";
import { here, navigate } from "../lib/router.js";
import { getTemplate, pathOf } from "../lib/templates.js";

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

export function mount(root, { name, title }) {
  const page = new AbortController();
  const editor = buildEditor();
  const findings = h("div", { class: "findings", role: "status" });
  const push = button("Push", {
    look: "primary",
    onclick: () => busyWhile(push, () => send(editor, findings)),
  });
  const file = h("input", {
    type: "file",
    accept: ".yaml,.yml,text/yaml",
    class: "unseen",
    id: "file",
  });
  file.addEventListener("change", () => readFile(file.files[0], editor, findings));
  let timer = 0;
  editor.text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => check(editor, findings, page.signal), PAUSE_MS);
  });
  root.append(
    pageHeading(name ? `${title} of ${name}` : title, {
      above: [
        h("a", { href: "/templates" }, "Templates"),
        name && [" / ", h("a", { href: pathOf({ name }) }, name)],
      ],
      actions: [h("label", { class: "button", for: "file" }, "Open a file…"), file, push],
      below: h(
        "p",
        { class: "muted" },
        "Each push makes a version that never changes. What is the same as the newest version makes none.",
      ),
    }),
    findings,
    editor.element,
  );
  const forget = keepDraft("template", () => (editor.text.value ? editor.text.value : null));
  const controls = [editor.text, file, push];
  enable(controls, false);
  start(name, editor, findings, page.signal).finally(() => enable(controls, true));
  return () => {
    forget();
    clearTimeout(timer);
    page.abort();
  };
}

/** What is typed before the newest version is there would be overwritten by it. */
function enable(controls, isEnabled) {
  for (const control of controls) control.disabled = !isEnabled;
}

async function start(name, editor, findings, signal) {
  const kept = takeDraft("template", here());
  if (kept !== null) {
    editor.fill(kept);
    replace(findings, keptNotice());
    return;
  }
  if (!name) {
    editor.fill(SAMPLE);
    return;
  }
  try {
    editor.fill((await getTemplate(name, "", { signal })).source);
  } catch (error) {
    if (!signal.aborted) replace(findings, problemBox(error));
  }
}

/** A text field with line numbers, some of them marked. */
function buildEditor() {
  const numbers = h("div", { class: "editor-numbers", "aria-hidden": "true" });
  const text = h("textarea", {
    class: "editor-text",
    "aria-label": "Template (YAML)",
    spellcheck: "false",
    autocapitalize: "off",
    wrap: "off",
  });
  const element = h("div", { class: "editor" }, numbers, text);
  let wrong = new Map();
  const draw = () => {
    const count = text.value.split("\n").length;
    text.rows = count + 1;
    replace(
      numbers,
      Array.from({ length: count }, (_, i) =>
        h(
          "div",
          wrong.has(i + 1) ? { class: "is-wrong", title: wrong.get(i + 1) } : {},
          String(i + 1),
        ),
      ),
    );
  };
  text.addEventListener("input", draw);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") text.blur(); // Tab would be the way out, were it not for indenting
  });
  return {
    element,
    text,
    fill: (content) => ((text.value = content), draw()),
    mark: (problems) => (
      (wrong = new Map(
        problems.filter((each) => each.line).map((each) => [each.line, each.message]),
      )),
      draw()
    ),
    goTo: (line) => {
      const lines = text.value.split("\n");
      const from = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
      text.focus();
      text.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0));
      numbers.children[line - 1]?.scrollIntoView({ block: "center" });
    },
  };
}

async function readFile(file, editor, findings) {
  if (!file) return;
  if (file.size > MAX_CHARACTERS) {
    replace(
      findings,
      problemBox(
        new ApiError({ title: "The file is too large", detail: "A template has at most 1 MiB." }),
      ),
    );
    return;
  }
  editor.fill(await file.text());
  editor.text.dispatchEvent(new Event("input"));
}

async function check(editor, findings, signal) {
  try {
    const found = await post("/templates/validate", {
      body: { source: editor.text.value },
      signal,
    });
    editor.mark(found.warnings);
    replace(findings, verdict(found, editor));
  } catch (error) {
    if (!signal.aborted) showMistakes(error, editor, findings);
  }
}

async function send(editor, findings) {
  try {
    const pushed = await post("/templates", { body: { source: editor.text.value } });
    note(
      pushed.is_new
        ? `Pushed ${pushed.name}, version ${pushed.version}`
        : `Nothing new: version ${pushed.version} of ${pushed.name} says the same`,
    );
    navigate(pathOf(pushed));
  } catch (error) {
    showMistakes(error, editor, findings);
    findings.scrollIntoView({ block: "nearest" });
  }
}

function verdict(found, editor) {
  return [
    found.warnings.length > 0 &&
      noticeBox("warn", h("strong", {}, "Worth a look"), problemList(found.warnings, editor.goTo)),
    !found.warnings.length && h("p", { class: "good" }, `No mistakes in ${found.name}.`),
  ];
}

function showMistakes(error, editor, findings) {
  const problems = error.errors ?? [];
  editor.mark(problems);
  if (!problems.length) replace(findings, problemBox(error));
  else
    replace(
      findings,
      noticeBox("bad", h("strong", {}, sentence(error.detail)), problemList(problems, editor.goTo)),
    );
}
