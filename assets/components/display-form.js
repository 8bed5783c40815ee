// How the person wants to read these pages: in which language, and how times are shown.

import { put } from "../lib/api.js";
import { LANGUAGES, speak, t } from "../lib/language.js";
import { whoAmI } from "../lib/session.js";
import { button } from "./buttons.js";
import { choices, field, select } from "./fields.js";
import { pageForm } from "./forms.js";
import { h } from "../lib/dom.js";

/** A form for the choices, which are kept with the account; the page is loaded anew with them. */
export function displayForm() {
  const { display } = whoAmI();
  const fields = [
    field({
      label: t`Language`,
      path: "language",
      control: select([["", t`as the browser asks`], ...LANGUAGES], display.language),
    }),
    field({
      label: t`Time zone`,
      path: "time_zone",
      control: select(choices(zones(), display.time_zone), display.time_zone),
    }),
    field({
      label: t`Times`,
      path: "times",
      help: t`The other one shows when the pointer rests on a time.`,
      control: select(
        [
          ["relative", t`how long ago`],
          ["exact", t`when exactly`],
        ],
        display.times,
      ),
    }),
  ];
  const send = async () => {
    const body = Object.fromEntries(fields.map(({ path, control }) => [path, control.value]));
    await put("/display", { body });
    speak(body.language);
  };
  const submit = button(t`Save`, { type: "submit" });
  const foot = h("div", { class: "form-actions" }, submit);
  return pageForm({ look: "form profile-form", fields, submit, foot, send });
}

function zones() {
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const named = Intl.supportedValuesOf("timeZone").filter((name) => name !== "UTC");
  return [["", t`that of this browser (${own})`], ...["UTC", ...named].map((name) => [name, name])];
}
