"""`run FILE` of phases that ask people: on a terminal, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.terminal import at_a_terminal
from tests.product import Place, User

DECISION_REQUESTS = """
apiVersion: v1
type: Automation
metadata: {name: asking}
spec:
  phases:
    - {name: before, commands: ["echo kept > file"]}
    - name: look
      pause:
        message: Is it in sync?
        approvers: {users: [bob@example.com]}
        variables: [{id: lag, type: number, isRequired: true}]
    - {name: act, commands: ["cat file; echo lag=$OPSICLE_VAR_LAG; false"], onFailure: ask}
    - {name: after, commands: ["echo went-on"]}
    - {name: tidy, commands: ["echo tidied"], when: always}
"""


@pytest.fixture
def me(tmp_path: Path) -> User:
    return User(tmp_path / "me", "me@example.com", Place())


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "asking.yaml"
    path.write_text(DECISION_REQUESTS)
    return str(path)


def test_without_a_terminal_nothing_is_run_of_a_file_that_asks(me: User, file: str) -> None:
    result = me.attempt("run", file)

    assert result.returncode == 2
    assert "phase look asks people, and there is no terminal" in result.stderr
    assert "nothing was started" in result.stderr


def test_what_is_answered_on_the_terminal_is_what_the_phases_get(me: User, file: str) -> None:
    answers = [
        ("lag:", "many"),
        ("whole number", "7"),
        ("Go on?", "y"),
        ("What now", "retry"),
        ("What now", "skip"),
    ]

    code, shown = at_a_terminal(me, "run", file, answers=answers)

    assert code == 1
    assert shown.count("lag=7") == 2
    assert "kept" in shown
    assert "went-on" in shown
    assert "skipped, and all that came after went well" in shown


def test_whoever_does_not_go_on_has_the_clean_up_run(me: User, file: str) -> None:
    code, shown = at_a_terminal(me, "run", file, answers=[("lag:", "1"), ("Go on?", "n")])

    assert code == 11
    assert "tidied" in shown
    assert "lag=" not in shown
