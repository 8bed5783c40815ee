// The form for a new channel: what it asks for is what the server says of each kind.

import { post } from "../lib/api.js";
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
  const networks = field({
    label: t`Private networks that it may reach`,
    path: "config.allow_networks",
    help: t`Where it is not on the internet, as in 10.0.0.0/8, as far as whoever runs the server has opened it; several with spaces.`,
    control: input(),
  });
  const fields = [name, kind, ...fieldsOf(known.get(first)), networks];
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
      const { settings } = known.get(kind.control.value);
      return post("/channels", { body: bodyOf(fields, settings) });
    },
    action: t`Make the channel`,
    done: reload,
  });
}

function fieldsOf({ settings, credential }) {
  const fields = settings.map((setting) =>
    field({
      label: said(setting.label),
      path: `config.${setting.name}`,
      help: said(setting.hint),
      isRequired: setting.is_required,
      control: controlOf(setting),
    }),
  );
  const secret = input({ type: "password", autocomplete: "new-password" });
  return [...fields, field({ label: credential, path: "credential", control: secret })];
}

function controlOf({ type, choices, default: value }) {
  if (choices.length)
    return select(
      choices.map((choice) => [choice, choice]),
      value,
    );
  return input({ value: value ?? "", ...(type === "integer" ? { inputmode: "numeric" } : {}) });
}

function bodyOf([name, kind, ...others], settings) {
  const networks = others.pop().control.value.split(/\s+/);
  const credential = others.pop().control.value;
  const config = { kind: kind.control.value, allow_networks: networks.filter(Boolean) };
  settings.forEach((setting, i) => {
    const value = others[i].control.value.trim();
    if (value) config[setting.name] = setting.type === "integer" ? Number(value) : value;
  });
  return { name: name.control.value.trim(), config, credential };
}
