// The titles of the server's problems.

import { t } from "./language.js";

/** By their codes. */
export const TITLES = {
  invalid_input: t`Invalid input`,
  not_authenticated: t`Not logged in`,
  totp_required: t`A code is needed`,
  not_allowed: t`Not allowed`,
  step_up_required: t`A fresh code is needed`,
  not_found: t`Not found`,
  gone: t`No longer kept`,
  conflict: t`Conflict`,
  leaves_behind: t`More goes with it`,
  unreadable: t`Cannot be read`,
  too_many_requests: t`Too many requests`,
  too_large: t`Too large`,
  unavailable: t`Not available now`,
  internal: t`Internal error`,
};
