"""The exit codes of the contract, decided in one place."""

from __future__ import annotations

import click
import pytest

from opsicle import cli
from opsicle.domain import errors
from opsicle.domain.automations import AutomationState

CONTRACT = {
    errors.InvalidInput: 2,
    errors.UsageError: 2,
    errors.TooLarge: 2,
    errors.NotAuthenticated: 3,
    errors.NotAllowed: 3,
    errors.NotFound: 4,
    errors.Conflict: 5,
    errors.LeaseLost: 5,
    errors.Unreachable: 6,
    errors.Unavailable: 6,
    errors.Internal: 1,
}


@pytest.mark.parametrize(("kind", "code"), CONTRACT.items())
def test_every_kind_of_error_has_the_code_of_the_contract(
    kind: type[errors.OpsicleError], code: int
) -> None:
    assert cli.code_of_error(kind("it went wrong")) == code


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("succeeded", 0),
        ("failed", 1),
        ("rejected", 10),
        ("expired", 10),
        ("cancelled", 11),
        ("timed_out", 12),
        ("unknown", 13),
    ],
)
def test_an_automation_ends_with_the_code_of_its_state(state: str, code: int) -> None:
    assert cli.code_of_result(AutomationState(state)) == code


def test_an_unexpected_exception_becomes_one_line_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    monkeypatch.setenv("OPSICLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr(cli, "_invoke", lambda *_: {}["secret-looking key"])

    assert cli.execute([]) == 1

    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: internal error\n")
    assert "Traceback" not in shown.err
    assert "last-error.txt" in shown.err


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_ends_quietly_with_130(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    interruption: type[BaseException],
) -> None:
    def interrupted(*_: object) -> None:
        raise interruption

    monkeypatch.setattr(cli, "_invoke", interrupted)
    assert cli.execute([]) == 130
    assert capfd.readouterr().err == ""
