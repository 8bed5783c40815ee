"""Arguments that nobody means: empty, not UTF-8, or a step in a path."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from opsicle.cli import execute
from tests.product import CHECKOUT, clean_environment
from tests.unit.test_cli_options import ALL

LOGIN = {"OPSICLE_SERVER": "https://127.0.0.1:1", "OPSICLE_TOKEN": "opsu_x"}
"""A server that is not there: a command that gets as far as asking it ends with 6."""

NAMED = [
    path
    for path, command in ALL.items()
    if command.params[0].param_type_name == "argument"
    and command.params[0].required
    and path.split()[0] not in {"accept", "service"}
]


def run(folder: Path, *arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, str(CHECKOUT / "opsicle.py"), *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=clean_environment({**LOGIN, "OPSICLE_CONFIG_DIR": str(folder)}),
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "path", ["run", "logs", "automations show", "templates push", "users show", "channels test"]
)
def test_an_empty_name_is_wrong_usage(path: str, tmp_path: Path) -> None:
    done = run(tmp_path, *path.split(), "")

    assert done.returncode == 2, done.stderr.decode()
    assert b"is empty" in done.stderr


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("runn", " (did you mean `run`?)"),
        ("automations lst", " (did you mean `list`?)"),
        (
            "schedules create",
            "; `opsicle schedules push FILE` makes and changes what it names",
        ),
    ],
)
def test_a_command_that_does_not_exist_is_named_with_the_nearest(
    path: str, nearest: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert execute(path.split()) == 2

    assert f"error: there is no command `{path}`{nearest}\n" in capfd.readouterr().err


@pytest.mark.parametrize("step", [".", ".."])
def test_a_step_in_a_path_is_no_name(step: str, tmp_path: Path) -> None:
    done = run(tmp_path, "workers", "show", step)

    assert done.returncode == 4
    assert f"there is nothing called {step}".encode() in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [b"run", b"a\xff"],
        [b"automations", b"show", b"\xff\xfe"],
        [b"templates", b"show", b"\xe4"],
        [
            b"users",
            b"create",
            b"--role",
            b"operator",
            b"--email",
            b"\xfc@example.com",
            b"--password-file",
            b"/dev/null",
        ],
        [b"automations", b"list", b"--template", b"\xff"],
        [b"can", b"\xff", b"automations.create", b"templates/a"],
    ],
)
def test_an_argument_that_is_no_text_is_named(arguments: list[bytes], tmp_path: Path) -> None:
    done = run(tmp_path, *arguments)

    assert done.returncode == 2
    assert b"internal error" not in done.stderr
    assert not (tmp_path / "last-error.txt").exists()


def test_a_file_may_be_called_what_it_wants(tmp_path: Path) -> None:
    name = bytes(tmp_path) + b"/\xff.yaml"
    Path(name.decode(errors="surrogateescape")).write_text(
        (CHECKOUT / "examples/hello.yaml").read_text()
    )

    done = run(tmp_path, b"templates", b"validate", name)

    assert done.returncode == 0
    assert b"AutomationTemplate hello is valid" in done.stdout


@pytest.mark.parametrize("path", NAMED)
def test_no_command_takes_an_empty_name_for_a_defect(
    path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {**LOGIN, "OPSICLE_CONFIG_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    rest = ["1"] * (sum(p.param_type_name == "argument" for p in ALL[path].params) - 1)

    code = execute([*path.split(), "", *rest])

    assert "internal error" not in capsys.readouterr().err
    assert code in {2, 3, 4, 6}


@pytest.mark.parametrize("command", ["server", "worker"])
def test_an_empty_data_folder_is_not_the_one_that_one_is_in(command: str, tmp_path: Path) -> None:
    options = ["--listen", "no address"] if command == "server" else []
    done = run(tmp_path, command, "--data-dir", "", *options)

    assert done.returncode == 2, done.stderr.decode()
    assert b"a folder's name is empty" in done.stderr
