// A new password, typed twice.

import { field, input } from "./fields.js";
import { t } from "../lib/language.js";

/** The two fields, and what is wrong with them as the server would say it. */
export function newPassword(label = t`New password`) {
  const [first, again] = [
    ["password", label],
    ["again", t`${label} again`],
  ].map(([path, text]) =>
    field({
      label: text,
      path,
      control: input({ type: "password", autocomplete: "new-password" }),
    }),
  );
  const problems = () => {
    if (!first.control.value) return [{ path: "password", message: t`is required` }];
    const isSame = again.control.value === first.control.value;
    return isSame ? [] : [{ path: "again", message: t`differs from the first` }];
  };
  return { fields: [first, again], problems, value: () => first.control.value };
}
