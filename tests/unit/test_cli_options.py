"""What holds for every command: help, environment, `-o`, and a quick start."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from opsicle import cli
from opsicle.cli import reference
from opsicle.cli.examples import EXAMPLES
from opsicle.cli.invocation import Invocation
from opsicle.cli.root import COMMANDS, GROUPS, root
from opsicle.version import __version__
from tests.product import CHECKOUT, User


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


ALL = dict(commands(root))


def test_the_commands_are_those_of_the_contract() -> None:
    nouns = {path.split()[0] for path in ALL}
    assert nouns == {
        "demo", "server", "setup", "login", "logout", "whoami", "worker", "workers", "templates",
        "run", "automations", "logs", "orgs", "accept", "users", "tokens", "sessions", "totp",
        "reset", "secrets", "policies", "approvals", "channels", "audit", "service", "roles",
        "groups", "can", "service-accounts", "recover", "artifacts", "schedules",
        "triggers", "files", "targets", "backup", "restore", "completion",
        "doctor", "upgrade", "man", "announcements",
    }  # fmt: skip


@pytest.mark.parametrize("path", ALL)
def test_every_command_and_option_says_what_it_does(path: str) -> None:
    command = ALL[path]
    assert command.help

    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, f"{path} {option.opts}"


def test_every_command_has_an_example_and_no_example_is_left_over() -> None:
    assert sorted(EXAMPLES) == sorted(ALL)


@pytest.mark.parametrize("path", ALL)
def test_the_example_of_a_command_is_one(path: str) -> None:
    program, *arguments = shlex.split(EXAMPLES[path])
    assert program == "opsicle"

    command: click.Command = root
    context = root.make_context("opsicle", list(arguments), obj=Invocation())

    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert found is not None
        context = found.make_context(name, rest, parent=context)
        command = found

    assert command is ALL[path]
    assert EXAMPLES[path] in command.get_help(context)


@pytest.mark.parametrize("path", ALL)
def test_the_profile_and_the_form_can_stand_behind_any_command(path: str) -> None:
    context = click.Context(root, info_name="opsicle", obj=Invocation())
    for name in path.split():
        group = context.command
        assert isinstance(group, click.Group)
        command = group.get_command(context, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=context)

    assert {"--profile", "--output", "-o"} <= {
        name for option in context.command.params for name in option.opts
    }
    assert "--profile P" in context.command.get_help(context)


def test_help_lists_whole_summaries_in_groups() -> None:
    text = root.get_help(click.Context(root, info_name="opsicle"))

    assert "..." not in text.partition("Options:")[2]
    for title, names in GROUPS.items():
        assert f"{title}:" in text
        assert names
    assert set(COMMANDS) == {path.split()[0] for path in ALL}


@pytest.mark.parametrize("path", ALL)
def test_an_option_is_called_alike_on_the_command_line_and_in_the_environment(path: str) -> None:
    for option in ALL[path].params:
        if isinstance(option, click.Option):
            longest = max(option.opts, key=len)
            assert str(option.name) == longest.removeprefix("--").replace("-", "_")


def test_the_documentation_is_what_the_program_says() -> None:
    assert (CHECKOUT / "docs/cli.md").read_text(encoding="utf-8") == reference.render()


def test_an_environment_variable_sets_an_option(tmp_path: Path) -> None:
    user = User(tmp_path, "alice@example.com")
    template = tmp_path / "t.yaml"
    template.write_text(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: t}\nspec:\n"
        "  variables: [{id: a}, {id: b}]\n"
        "  template:\n    phases:\n"
        "    - {name: p, commands: ['echo \"$OPSICLE_VAR_A/$OPSICLE_VAR_B\"']}\n"
    )
    user.environment["OPSICLE_RUN_VAR"] = "a=with space\nb=2"

    assert user.cli("run", str(template)) == "with space/2\n"


@pytest.mark.parametrize(
    "arguments", [["-o", "json", "templates", "validate"], ["templates", "validate", "-o", "json"]]
)
def test_the_output_format_may_stand_before_or_behind_the_command(
    arguments: list[str], tmp_path: Path
) -> None:
    done = User(tmp_path, "alice@example.com").attempt(*arguments, str(tmp_path / "absent.yaml"))
    assert done.returncode == 2
    assert done.stdout.startswith("{")


def test_a_mistyped_command_is_told_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["tempaltes", "list"]) == 2
    assert "did you mean `templates`?" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["workers"], ["run"], ["--nonsense"], ["run", "--version", "x", "a"]]
)
def test_wrong_usage_is_explained_on_stderr_with_code_2(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(arguments) == 2

    shown = capfd.readouterr()
    assert shown.out == ""
    assert "--help" in shown.err


def test_nothing_is_asked_where_stdin_is_no_terminal(tmp_path: Path) -> None:
    done = User(tmp_path, "alice@example.com").attempt(
        "login", "--server", "http://127.0.0.1:1", "--email", "a@b.c"
    )

    assert done.returncode in {2, 6}

    done = User(tmp_path, "alice@example.com").attempt("login", "--server", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert "--email" in done.stderr


def test_the_version_needs_none_of_the_heavy_imports() -> None:
    script = (
        "import sys\nfrom opsicle import cli\ncli.execute(['--version'])\n"
        "heavy = {'msgspec', 'urllib3', 'ssl', 're2', 'yaml', 'cryptography', 'gevent'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )

    assert done.stdout == f"opsicle {__version__}\n\n"


def test_a_reader_that_leaves_early_causes_no_error(tmp_path: Path) -> None:
    template = tmp_path / "t.yaml"
    template.write_text(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: t}\nspec:\n"
        '  template: {phases: [{name: p, commands: ["seq 100000"]}]}\n'
    )

    done = subprocess.run(
        f"{sys.executable} opsicle.py run {template} | head -1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        check=True,
    )

    assert done.stdout == "1\n"
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
