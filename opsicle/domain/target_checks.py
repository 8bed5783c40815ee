"""Checking targets: what runs on them for that, and what its end says of them."""

from __future__ import annotations

from enum import StrEnum

from opsicle.domain.automations import AutomationState

CHECK_TEMPLATE_NAME = "check-targets"
CHECK_LABEL = ("opsicle.io/built-in", "check-targets")
"""Marks the built-in template. One of that name without it is the org's, and is left alone."""

CHECK_TEMPLATE = f"""\
apiVersion: v1
type: AutomationTemplate
metadata:
  name: {CHECK_TEMPLATE_NAME}
  labels: {{{CHECK_LABEL[0]}: {CHECK_LABEL[1]}}}
spec:
  metadata:
    displayName: Check targets
    description: Logs in to targets, and asks only who one is there and on what.
  runsOn: {{targets: {{labels: {{}}, maxFailures: 1000}}}}
  template:
    phases:
      - {{name: look, timeout: 60, commands: ["id", "uname -srm"]}}
"""

HOST_KEY_DIFFERS = "shows another host key than its target names"
LOGIN_REFUSED = "refused the login"
KEY_UNREADABLE = "the private key for"
NOT_REACHED = "cannot be reached"
"""In what a worker says of a target that it did not get into."""


class CheckOutcome(StrEnum):
    """What a check has found."""

    REACHABLE = "reachable"
    HOST_KEY_DIFFERS = "host key differs"
    LOGIN_REFUSED = "login refused"
    NOT_REACHABLE = "not reachable"
    NOT_CHECKED = "not checked"


def check_outcome(state: AutomationState, reason: str) -> CheckOutcome:
    """Return what the end of a target's part says; `reason` is why it did not go well."""
    if state is AutomationState.SUCCEEDED:
        return CheckOutcome.REACHABLE
    for words, outcome in (
        (HOST_KEY_DIFFERS, CheckOutcome.HOST_KEY_DIFFERS),
        (LOGIN_REFUSED, CheckOutcome.LOGIN_REFUSED),
        (KEY_UNREADABLE, CheckOutcome.LOGIN_REFUSED),
        (NOT_REACHED, CheckOutcome.NOT_REACHABLE),
    ):
        if words in reason:
            return outcome
    return CheckOutcome.NOT_CHECKED
