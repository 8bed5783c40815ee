// What the pages of targets share: labels, the form for a new one, and pushing a document.

import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { visible } from "../lib/visible.js";
import { note } from "./announcer.js";
import { askForm } from "./dialogs.js";
import { field, input, lines, textarea } from "./fields.js";
import { openPushDialog } from "./push-dialog.js";
import { t } from "../lib/language.js";

/** Labels one beside the other. */
export function labelFacts(labels) {
  return Object.entries(labels).map(([key, value]) => [
    h("code", { class: "fact" }, visible(`${key}=${value}`)),
    " ",
  ]);
}

/** Push a document of a target; `pushed` is called once it is there. */
export function openPushTarget(source, pushed, notice = null) {
  openPushDialog({
    noun: "target",
    source,
    push: (text) => post("/targets", { body: { source: text } }),
    pushed,
    notice,
  });
}

/** Ask for the parts of a new target, and push it. */
export function openTargetForm(pushed) {
  const [name, host, port, user, secret, keys, labels] = formFields();
  const text = (each) => each.control.value.trim();
  const send = () => {
    const document = {
      name: text(name),
      host: text(host),
      port: text(port) || "22",
      user: text(user),
      secret: text(secret),
      keys: lines(keys.control),
      labels: lines(labels.control),
    };
    const body = { source: documentOf(document), expected_version: 0 };
    return post("/targets", { body });
  };
  askForm({
    title: t`New target`,
    fields: [name, host, port, user, secret, keys, labels],
    send,
    action: t`Make the target`,
    isWide: true,
    done: (made) => {
      const remark = made.warnings.map(({ message }) => `: ${message}`).join("");
      note(t`Made ${made.name}${remark}`);
      pushed();
    },
  });
}

function formFields() {
  return [
    field({
      label: t`Name`,
      path: "metadata.name",
      isRequired: true,
      help: t`a to z, 0 to 9 and -`,
      control: input({ maxlength: 63 }),
    }),
    field({
      label: t`Host`,
      path: "spec.host",
      isRequired: true,
      help: t`A name or an address, as its workers reach it.`,
      control: input({ maxlength: 253 }),
    }),
    field({
      label: t`Port`,
      path: "spec.port",
      control: input({ inputmode: "numeric", maxlength: 5, value: "22" }),
    }),
    field({
      label: t`User`,
      path: "spec.user",
      isRequired: true,
      help: t`As whom to log in.`,
      control: input({ maxlength: 64 }),
    }),
    field({
      label: t`Private key`,
      path: "spec.credential.secret",
      isRequired: true,
      help: t`The name of the secret that holds it, in the form of OpenSSH.`,
      control: input({ maxlength: 63 }),
    }),
    field({
      label: t`Host keys`,
      path: "spec.hostKeys",
      isRequired: true,
      help: t`One a line, from whoever runs it: on the host, cat /etc/ssh/ssh_host_*_key.pub`,
      control: textarea({ rows: 3, wrap: "off", placeholder: "ssh-ed25519 AAAA…" }),
    }),
    field({
      label: t`Labels`,
      path: "metadata.labels",
      help: t`One a line: role=web`,
      control: textarea({ rows: 2, wrap: "off" }),
    }),
  ];
}

/** The document of these parts. A text of JSON is one of YAML too; keys may not be. */
function documentOf({ name, host, port, user, secret, keys, labels }) {
  const quoted = (text) => JSON.stringify(text);
  const pairs = labels.map((line) => {
    const [key, ...value] = line.split("=");
    return `    ${quoted(key.trim())}: ${quoted(value.join("=").trim())}`;
  });
  return [
    "apiVersion: v1",
    "type: Target",
    "metadata:",
    `  name: ${quoted(name)}`,
    ...(pairs.length ? ["  labels:", ...pairs] : []),
    "spec:",
    `  host: ${quoted(host)}`,
    `  port: ${/^\d+$/.test(port) ? port : quoted(port)}`,
    `  user: ${quoted(user)}`,
    "  hostKeys:",
    ...keys.map((key) => `    - ${quoted(key.trim())}`),
    `  credential: {secret: ${quoted(secret)}}`,
    "",
  ].join("\n");
}
