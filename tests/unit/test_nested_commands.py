"""What a phase's environment says of its job sets no option of a command that it calls."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from opsicle.cli.root import root
from opsicle.domain.secrets import secret_file_environment_name
from opsicle.domain.templates import Phase
from opsicle.wire.jobs import Work
from opsicle.worker.phase_shell import phase_environment
from opsicle.worker.workspace import Workspace
from tests.product import User, program
from tests.unit.test_cli_options import ALL

_FAMILIES = ("OPSICLE_VAR_", "OPSICLE_SECRET_", "OPSICLE_OUTPUT_")
_OF_THE_FORMAT = {"OPSICLE_SUMMARY", "OPSICLE_TARGET"}


def of_options() -> set[str]:
    """Return every environment variable that some option of some command is set by."""
    found = _variables(root, "OPSICLE")
    for path, command in ALL.items():
        found |= _variables(command, "OPSICLE_" + path.upper().replace(" ", "_").replace("-", "_"))
    return found


def _variables(command: click.Command, prefix: str) -> set[str]:
    found = set()
    for option in command.params:
        if isinstance(option, click.Option):
            named = option.envvar
            found |= {named} if isinstance(named, str) else set(named or ())
            if option.allow_from_autoenv:
                found.add(f"{prefix}_{str(option.name).upper()}")
    return found


def test_no_variable_of_a_phase_sets_an_option(tmp_path: Path) -> None:
    phase = Phase(name="p", commands=("true",), secrets=("key",))
    work = Work(
        automation_id="a",
        job_id="j",
        fence=1,
        template="t",
        requester="r",
        phases=(phase,),
        secret_values={"key": "x" * 6},
    )
    private = {"OPSICLE_MASK": "", secret_file_environment_name("key"): ""}
    names = set(phase_environment(work, 0, {}, Workspace(tmp_path, "j"), private, {}))

    options = of_options()

    assert "OPSICLE_FORMAT" in options
    assert not (names | _OF_THE_FORMAT) & options
    assert not [name for name in options if name.startswith(_FAMILIES)]


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path, "alice@example.com")


def test_a_phase_runs_another_file_with_the_same_program(user: User, tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner.yaml", tmp_path / "outer.yaml"
    inner.write_text(_template("inner", "echo inner output"))
    call = shlex.join([*program(), "run", str(inner)])

    outer.write_text(_template("outer", f'{call} && test -n "$OPSICLE_OUTPUT"'))

    assert "inner output" in user.cli("run", str(outer))


def test_the_output_form_can_come_from_the_environment(user: User, tmp_path: Path) -> None:
    template = tmp_path / "t.yaml"
    template.write_text(_template("t", "echo hello"))
    user.environment["OPSICLE_FORMAT"] = "json"

    assert user.cli("run", str(template)).startswith("{")

    user.environment["OPSICLE_FORMAT"] = "yaml"
    refused = user.attempt("run", str(template))

    assert refused.returncode == 2
    assert "yaml" in refused.stderr


def _template(name: str, command: str) -> str:
    return f"""\
apiVersion: v1
type: AutomationTemplate
metadata: {{name: {name}}}
spec: {{template: {{phases: [{{name: p, commands: ["{command.replace('"', chr(92) + '"')}"]}}]}}}}
"""
