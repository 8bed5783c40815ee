"""What the end of a check says of a target."""

from __future__ import annotations

import pytest

from opsicle.domain.automations import AutomationState
from opsicle.domain.target_checks import CHECK_TEMPLATE, CheckOutcome, check_outcome
from opsicle.domain.template_parser import parse_template
from opsicle.domain.template_warnings import warnings


def test_the_template_that_is_built_in_is_a_good_one() -> None:
    assert warnings(parse_template(CHECK_TEMPLATE.encode())) == []


@pytest.mark.parametrize(
    ("state", "reason", "outcome"),
    [
        (AutomationState.SUCCEEDED, "", CheckOutcome.REACHABLE),
        (AutomationState.CANCELLED, "", CheckOutcome.NOT_CHECKED),
        (AutomationState.FAILED, "the target web1 was changed since", CheckOutcome.NOT_CHECKED),
        (AutomationState.UNKNOWN, "cannot be reached", CheckOutcome.NOT_REACHABLE),
    ],
)
def test_only_a_login_that_worked_is_called_so(
    state: AutomationState, reason: str, outcome: CheckOutcome
) -> None:
    assert check_outcome(state, reason) is outcome
