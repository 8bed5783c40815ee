// A new password, typed twice.

import { field, input } from "./fields.js";

/** The two fields, and what is wrong with them as the server would say it. */
export function newPassword() {
  const control = () => input({ type: "password", autocomplete: "new-password" });
  const first = field({ label: "New password", path: "password", control: control() });
  const again = field({ label: "New password again", path: "again", control: control() });
  const problems = () => {
    if (!first.control.value) return [{ path: "password", message: "is required" }];
    return again.control.value === first.control.value
      ? []
      : [{ path: "again", message: "differs from the first" }];
  };
  return { fields: [first, again], problems, value: () => first.control.value };
}
