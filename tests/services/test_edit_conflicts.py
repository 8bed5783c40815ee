"""Of two people who change one template, the second hears of the first before pushing over it."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import VersionConflict
from tests.services.team import Team, template_source

SOURCE = template_source(
    "shared", policy="{spec: {gates: [{name: a, approvers: {manager: true}}]}}"
)


def push(team: Team, who: str, command: str, expected: int | None, message: str = "") -> int:
    source = SOURCE.replace("echo hi", command)
    return team.core.services.templates.push(team.people[who], source, message, expected).version


def test_the_second_is_refused_with_who_was_first_and_nothing_of_theirs_is_lost(
    team: Team,
) -> None:
    push(team, "carol", "echo 1", 0)
    push(team, "carol", "echo 2", 1, "mends the exit code")

    with pytest.raises(VersionConflict, match="version 2 of shared has been pushed by carol"):
        push(team, "carol", "echo mine", 1)

    assert "echo 2" in team.core.services.templates.get(team.people["carol"], "shared").source
    assert push(team, "carol", "echo mine", 2) == 3


def test_what_says_the_same_as_the_newest_needs_no_expectation(team: Team) -> None:
    push(team, "carol", "echo 1", None)

    assert push(team, "carol", "echo 1", 0) == 1


def test_one_that_exists_is_no_new_one_and_one_that_is_gone_no_old_one(team: Team) -> None:
    push(team, "carol", "echo 1", None)
    with pytest.raises(VersionConflict, match="expected was none"):
        push(team, "carol", "echo 2", 0)

    team.core.services.templates.delete(team.people["carol"], "shared")

    with pytest.raises(VersionConflict, match="there is no template shared any more"):
        push(team, "carol", "echo 2", 1)
