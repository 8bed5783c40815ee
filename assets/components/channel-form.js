// The forms for a channel, a new one or other settings of one that there is: what they ask for is
// what the server says of each kind.

import { patch, post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { askForm } from "./dialogs.js";
import { field, input, select } from "./fields.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";

/** Ask for the settings of a channel of one of these kinds and make it, then `reload`. */
export function openChannelForm(descriptors, reload) {
  const known = new Map(descriptors.map((each) => [each.name, each]));
  const name = field({
    label: t`Name`,
    path: "name",
    help: t`a to z, 0 to 9 and -.`,
    control: input({ maxlength: 63 }),
  });
  const kinds = [...known].map(([key, { label }]) => [key, label]);
  const first = kinds[0][0];
  const kind = field({ label: t`Kind`, path: "config.kind", control: select(kinds, first) });
  const fields = [name, kind, ...fieldsOf(known.get(first)), networksField()];
  kind.control.addEventListener("change", () => {
    const next = fieldsOf(known.get(kind.control.value));
    const before = fields.splice(2, fields.length - 3, ...next);
    for (const each of before) each.element.remove();
    kind.element.after(...next.map((each) => each.element));
  });
  askForm({
    title: t`New channel`,
    fields,
    send: () => {
      const own = fields.slice(2);
      const body = {
        name: name.control.value.trim(),
        config: configOf(known.get(kind.control.value), own),
        credential: credentialOf(own),
      };
      return post("/channels", { body });
    },
    action: t`Make the channel`,
    done: reload,
  });
}

/** Ask for other settings of a channel, whose name and kind stay, then `reload`. */
export function openChangeForm({ name, config }, descriptors, reload) {
  const descriptor = descriptors.find((each) => each.name === config.kind);
  const fields = [...fieldsOf(descriptor, config), networksField(config.allow_networks)];
  const send = () => {
    const credential = credentialOf(fields) || undefined;
    const body = { config: { ...kept(config), ...configOf(descriptor, fields) }, credential };
    return patch("/channels/{channel}", { path: { channel: name }, body });
  };
  askForm({
    title: t`Change ${name}`,
    above: h("p", { class: "muted" }, t`A credential that is left empty stays as it is.`),
    fields,
    send,
    action: t`Keep the changes`,
    done: reload,
  });
}

/** What no field asks for. */
function kept({ ca_pem: pem }) {
  return { ca_pem: pem };
}

function networksField(values = []) {
  return field({
    label: t`Private networks that it may reach`,
    path: "config.allow_networks",
    help: t`Where it is not on the internet, as in 10.0.0.0/8, as far as whoever runs the server has opened it; several with spaces.`,
    control: input({ value: values.join(" ") }),
  });
}

/** A field for each setting, with its value or its default, and one for the credential. */
function fieldsOf({ settings, credential }, values = {}) {
  const fields = settings.map((setting) =>
    field({
      label: said(setting.label),
      path: `config.${setting.name}`,
      help: said(setting.hint),
      isRequired: setting.is_required,
      control: controlOf(setting, values[setting.name] ?? setting.default),
    }),
  );
  const secret = input({ type: "password", autocomplete: "new-password" });
  return [...fields, field({ label: credential, path: "credential", control: secret })];
}

function controlOf({ type, choices }, value) {
  if (choices.length)
    return select(
      choices.map((choice) => [choice, choice]),
      value,
    );
  return input({ value: value ?? "", ...(type === "integer" ? { inputmode: "numeric" } : {}) });
}

/** What the fields of the settings hold, which the credential's and the networks' follow. */
function configOf({ name: kind, settings }, fields) {
  const networks = fields.at(-1).control.value.split(/\s+/);
  const config = { kind, allow_networks: networks.filter(Boolean) };
  settings.forEach((setting, i) => {
    const value = fields[i].control.value.trim();
    if (value) config[setting.name] = setting.type === "integer" ? Number(value) : value;
  });
  return config;
}

function credentialOf(fields) {
  return fields.at(-2).control.value;
}
