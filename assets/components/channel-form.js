// The form for a new channel: what it asks for depends on the kind.

import { post } from "../lib/api.js";
import { askForm } from "./dialogs.js";
import { field, input, select } from "./fields.js";

const text = (path, label, more = {}, help = "") => ({ path, label, more, help });

const KINDS = {
  email: {
    label: "E-mail",
    credential: "Password",
    settings: [
      text("host", "Mail server"),
      text(
        "port",
        "Port",
        { inputmode: "numeric", value: "587" },
        "587 speaks STARTTLS; for 465 use the command line.",
      ),
      text("sender", "Sender", { type: "email" }),
      text("username", "Username"),
    ],
  },
  webhook: {
    label: "Webhook",
    credential: "Key that signs",
    settings: [text("url", "URL", { placeholder: "https://…" })],
  },
  telegram: {
    label: "Telegram",
    credential: "Bot token",
    settings: [text("base_url", "Address of the API", {}, "Telegram's own unless told.")],
  },
  slack: {
    label: "Slack",
    credential: "App token and bot token (xapp-… xoxb-…)",
    settings: [text("base_url", "Address of the API", {}, "Slack's own unless told.")],
  },
};

/** Ask for a channel's settings and make it; `reload` is called afterwards. */
export function openChannelForm(reload) {
  const name = field({
    label: "Name",
    path: "name",
    help: "a to z, 0 to 9 and -.",
    control: input({ maxlength: 63 }),
  });
  const kinds = Object.entries(KINDS).map(([kind, { label }]) => [kind, label]);
  const kind = field({ label: "Kind", path: "config.kind", control: select(kinds, "email") });
  const networks = field({
    label: "Private networks that it may reach",
    path: "config.allow_networks",
    help: "Where it is not on the internet, as in 10.0.0.0/8, as far as whoever runs the server has opened it; several with spaces.",
    control: input(),
  });
  const fields = [name, kind, ...fieldsOf(KINDS.email), networks];
  kind.control.addEventListener("change", () => {
    const next = fieldsOf(KINDS[kind.control.value]);
    const before = fields.splice(2, fields.length - 3, ...next);
    for (const each of before) each.element.remove();
    kind.element.after(...next.map((each) => each.element));
  });
  askForm({
    title: "New channel",
    fields,
    send: () => post("/channels", { body: bodyOf(fields) }),
    action: "Make the channel",
    done: reload,
  });
}

function fieldsOf({ settings, credential }) {
  const fields = settings.map(({ path, label, more, help }) =>
    field({ label, path: `config.${path}`, help, control: input(more) }),
  );
  const secret = input({ type: "password", autocomplete: "new-password" });
  return [...fields, field({ label: credential, path: "credential", control: secret })];
}

function bodyOf([name, kind, ...others]) {
  const networks = others.pop().control.value.split(/\s+/);
  const config = { kind: kind.control.value, allow_networks: networks.filter(Boolean) };
  let credential = "";
  for (const { path, control } of others) {
    const value = control.value.trim();
    const setting = path.replace("config.", "");
    if (path === "credential") credential = control.value;
    else if (value) config[setting] = setting === "port" ? Number(value) : value;
  }
  return { name: name.control.value.trim(), config, credential };
}
