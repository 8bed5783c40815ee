// Files that automations are given: chosen and uploaded in a form, and shown where values stand.

import { addressOf, upload } from "../lib/api.js";
import { sizeText } from "../lib/bytes.js";
import { h, replace } from "../lib/dom.js";
import { said } from "../lib/server-texts.js";
import { WrongValue } from "../lib/values.js";
import { visible, visibleValue } from "../lib/visible.js";
import { field, input } from "./fields.js";
import { t } from "../lib/language.js";

/**
 * The field of a variable that takes files: each is uploaded as soon as it is chosen. Gives what
 * the other fields of variables give; its value are ids of uploads.
 */
export function fileField(variable, shared, changed) {
  let uploads = [];
  const state = h("span", { class: "muted upload-state", role: "status" });
  const control = input({ type: "file", multiple: variable.multiple });
  const hint = h("span", {}, variable.multiple ? t`Or drop files here.` : t`Or drop a file here.`);
  const help = [shared.help, shared.help && " ", hint, h("br", {}), state];
  const made = field({ ...shared, help, control });
  const draw = () => {
    replace(state, uploads.map(stateText).filter(Boolean).join(" · "));
    made.setError(uploads.find((each) => each.error)?.error ?? "");
    changed();
  };
  takeDropped(made.element, control);
  control.addEventListener("change", () => {
    for (const each of uploads) each.abort.abort();
    uploads = [...control.files].map((file) => begin(file, draw));
    draw();
  });
  const value = () => {
    const wrong = uploads.find((each) => !each.id);
    if (wrong) throw new WrongValue(wrong.error || t`${visible(wrong.file.name)} is on its way`);
    if (!uploads.length && variable.is_required) throw new WrongValue(t`is required`);
    const ids = uploads.map((each) => each.id);
    return ids.length ? (variable.multiple ? ids : ids[0]) : undefined;
  };
  const shown = () => uploads.map((each) => visible(each.file.name)).join(", ");
  return { made, text: () => "", value, shown };
}

/** Let files that are dropped on the field be those that are chosen in its control. */
function takeDropped(element, control) {
  const mark = (isOver) => element.classList.toggle("is-drop-over", isOver);
  element.addEventListener("dragover", (event) => {
    if (control.matches(":disabled") || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    mark(true);
  });
  element.addEventListener("dragleave", () => mark(false));
  element.addEventListener("drop", (event) => {
    mark(false);
    const dropped = [...event.dataTransfer.files];
    if (control.matches(":disabled") || !dropped.length) return;
    event.preventDefault();
    const taken = new DataTransfer();
    for (const file of control.multiple ? dropped : dropped.slice(0, 1)) taken.items.add(file);
    control.files = taken.files;
    control.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

function begin(file, draw) {
  const started = { file, id: "", error: "", sent: 0, abort: new AbortController() };
  send(started, draw).finally(draw);
  return started;
}

async function send(started, draw) {
  const { file } = started;
  try {
    const { id } = await upload("/files", {
      query: { name: file.name },
      file,
      signal: started.abort.signal,
      onProgress: (sent) => {
        started.sent = sent;
        draw();
      },
    });
    started.id = id;
  } catch (error) {
    started.error = t`${visible(file.name)} was not uploaded: ${error.message}`;
  }
}

function stateText({ file, id, error, sent }) {
  if (error) return "";
  const name = visible(file.name);
  if (id) return t`${name}, ${sizeText(file.size)}, is uploaded`;
  return t`uploading ${name}: ${Math.round((100 * sent) / Math.max(1, file.size))} %`;
}

/** A value as its reader has to know it; a file with its size and digest, to be taken. */
export function valueView(name, value, files = []) {
  const given = files.filter((file) => file.variable === name);
  return given.length ? given.map(fileView) : h("code", {}, visibleValue(value));
}

function fileView({ id, name, size, sha256, problem }) {
  const href = addressOf("/files/{file_id}", { path: { file_id: id } });
  return h(
    "div",
    { class: "given-file" },
    h("a", { href, download: true }, h("code", {}, visible(name))),
    h("span", { class: "muted" }, ` ${sizeText(size)}`),
    h("code", { class: "digest", title: "SHA-256" }, sha256),
    problem && h("strong", {}, visible(said(problem))),
  );
}
