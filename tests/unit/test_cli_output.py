"""What is printed for people, and what is kept for them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from opsicle.cli.invocation import Invocation
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.output_files import replace_private, write_whole
from opsicle.cli.terminal import printable
from opsicle.client.saved_logins import SavedLogin, SavedLogins
from opsicle.domain.errors import InvalidInput, Problem, UsageError

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COLUMNS = [Column("name", lambda item: item[0]), Column("at", lambda item: item[1])]


@pytest.fixture
def invocation() -> Invocation:
    return Invocation()


def in_context(invocation: Invocation) -> click.Context:
    return click.Context(click.Command("any"), obj=invocation)


def test_a_table_is_aligned_and_one_line_an_item(
    invocation: Invocation, capsys: pytest.CaptureFixture[str]
) -> None:
    with in_context(invocation):
        emit_list([("a", AT), ("long name", AT)], COLUMNS, limit=None)
    assert capsys.readouterr().out == (
        "NAME       AT\na          2026-01-02T03:04:05Z\nlong name  2026-01-02T03:04:05Z\n"
    )


def test_a_table_that_is_cut_short_says_so(
    invocation: Invocation, capsys: pytest.CaptureFixture[str]
) -> None:
    with in_context(invocation):
        emit_list([("a", AT)] * 5, COLUMNS, limit=None, table_limit=2)

    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 3
    assert "--limit" in shown.err


def test_json_is_never_cut_short(
    invocation: Invocation, capsys: pytest.CaptureFixture[str]
) -> None:
    invocation.output = "json"
    with in_context(invocation):
        emit_list([("a", AT)] * 5, COLUMNS, limit=None, table_limit=2)

    assert json.loads(capsys.readouterr().out) == [["a", "2026-01-02T03:04:05Z"]] * 5


@pytest.mark.parametrize("limit", [10**20, 2**63])
def test_a_limit_beyond_any_list_is_none(
    limit: int, invocation: Invocation, capsys: pytest.CaptureFixture[str]
) -> None:
    for invocation.output in ("json", "table"):
        with in_context(invocation):
            emit_list([("item", AT)] * 2, COLUMNS, limit=limit)
        assert capsys.readouterr().out.count("item") == 2


def test_an_empty_list_is_an_empty_array(
    invocation: Invocation, capsys: pytest.CaptureFixture[str]
) -> None:
    invocation.output = "json"
    with in_context(invocation):
        emit_list([], COLUMNS, limit=None)

    assert json.loads(capsys.readouterr().out) == []


def test_on_a_terminal_a_table_is_no_wider_than_the_window(
    invocation: Invocation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    columns = [
        Column(heading, lambda item, place=place: item[place])
        for place, heading in enumerate(("id", "a", "b"))
    ]

    with in_context(invocation):
        emit_list([("0123456789", "short", "x" * 60), ("1", "y" * 30, "z")], columns, limit=None)

    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 40 for line in lines)
    assert lines[1].startswith("0123456789  short")
    assert lines[1].endswith("x…")
    assert lines[2].split() == ["1", "y" * 12 + "…", "z"]


def test_no_cell_speaks_python(invocation: Invocation, capsys: pytest.CaptureFixture[str]) -> None:
    with in_context(invocation):
        emit(
            {},
            [
                ("one", [True, None, "a b"]),
                ("two", [{"site": "ams"}]),
                ("three", Problem("a.b", "is wrong")),
            ],
        )
    assert capsys.readouterr().out == (
        'one    yes, , a b\ntwo    site=ams\nthree  path=a.b message="is wrong"\n'
    )


def test_what_is_not_there_takes_no_line(
    invocation: Invocation, capsys: pytest.CaptureFixture[str]
) -> None:
    with in_context(invocation):
        emit(
            {},
            [
                ("name", "x"),
                ("reason", ""),
                ("worker", None),
                ("disabled", False),
                ("exit code", 0),
            ],
        )
    assert capsys.readouterr().out == "name       x\ndisabled   no\nexit code  0\n"


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\rb", "\x1b]0;title\x07", "a\u202eb", "\x9b31m"])
def test_a_name_cannot_play_terminal(text: str) -> None:
    assert printable(text).isprintable()


def test_a_session_is_kept_whole_and_private(tmp_path: Path) -> None:
    sessions = SavedLogins(tmp_path / "config")
    session = SavedLogin(server="https://a", token="t", ca_pem="p")

    assert sessions.find("default") is None

    sessions.save("default", session)
    assert sessions.find("default") == session

    file = tmp_path / "config/sessions/default.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["default.json"]


def test_a_damaged_session_is_explained(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions/default.json").write_text('{"server": 1}')

    with pytest.raises(InvalidInput, match="default"):
        SavedLogins(tmp_path).find("default")


@pytest.mark.parametrize("profile", ["", "../x", "a/b", "a b", "x" * 65])
def test_a_profile_cannot_name_another_file(tmp_path: Path, profile: str) -> None:
    with pytest.raises(UsageError):
        SavedLogins(tmp_path).find(profile)


@pytest.mark.parametrize("put", [write_whole, replace_private])
def test_no_file_takes_the_place_of_a_pipe_a_folder_or_what_a_process_has_open(
    put: Callable[[Path, Any], None], tmp_path: Path
) -> None:
    pipe, link, stdout = (tmp_path / name for name in ("pipe", "link", "stdout"))
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    stdout.symlink_to("/proc/self/fd/1")

    for path in (pipe, link, stdout, tmp_path):
        before = path.lstat()
        with pytest.raises(InvalidInput, match="is no file"):
            put(path, b"")
        assert path.lstat() == before
