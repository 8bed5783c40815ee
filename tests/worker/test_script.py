"""Markers between commands: there where they can be, and never noticed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsicle.worker.command_markers import Boundary, MarkerReader, ShellStreams
from opsicle.worker.script import (
    Script,
    _is_complete,
    can_have_markers,
    marked_script,
    plain_script,
)
from opsicle.worker.stdio_pipes import NamedPipes

SHELLS = [found for name in ("dash", "bash", "ash") if (found := shutil.which(name))]


def make_script(shell: str, commands: list[str], folder: Path) -> Script:
    """Make a script that sets its markers in two files, beside what it prints."""
    if not can_have_markers(shell, commands):
        return plain_script(commands)
    return marked_script(
        commands, ShellStreams(f"1>>'{folder}/it is out'", f"1>>'{folder}/it is err'")
    )


def boundaries(script: Script, folder: Path) -> list[Boundary]:
    """Return the boundaries that a script has told of, the same in both streams."""
    told = [
        MarkerReader(script.word).read(path.read_bytes() if path.exists() else b"")
        for path in (folder / "it is out", folder / "it is err")
    ]
    assert told[0] == told[1]
    assert all(isinstance(each, Boundary) for each in told[0])
    return told[0]


def run(shell: str, text: bytes, folder: Path) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [shell, "-e", "-c", text, "check"],
        capture_output=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


COMMANDS = [
    "echo one",
    "true",
    "false",
    "! true",
    "(exit 3)",
    "false && echo no",
    "[ -f absent ] && rm absent",
    "false || true",
    "echo $?",
    'echo "status $? of $#"',
    "set -x",
    "set +e",
    "set -e",
    "set -u",
    "set -C",
    "set -f; echo *",
    "x=1; y='a b'",
    'echo "$x-${y:-none}"',
    "f() { echo in f; return 4; }",
    "f",
    "f || echo f gave $?",
    "if false; then echo yes; else echo no; fi",
    "for i in 1 2; do echo $i; done",
    "for i in 1 2",
    "do echo $i; done",
    "if true; then",
    "fi",
    "cat <<END\ntext $x\nEND",
    "cat <<END\ntext",
    "END",
    "echo a \\",
    "# it's a comment",
    "echo a # it's \\",
    "",
    "echo 'a",
    "b'",
    "echo ')'",
    "x=$(echo hi; false)",
    "echo `echo back`",
    "echo $LINENO",
    "nosuchcommand",
    "exec 9>lock; echo held >&9",
    "exec 3>&1; echo three >&3",
    "IFS=0123456789",
    "cd sub 2>/dev/null || mkdir sub",
    "pwd | sed 's,.*/,,'",
    "trap 'echo bye $?' EXIT",
    "trap 'echo hup' HUP",
    "set -- a b; echo $2",
    "shift",
    "echo() { printf 'mine %s\\n' \"$@\"; }",
    "alias ll=ls",
    "{ echo group; }",
    "{",
    "}",
    "sleep 0 &",
    "wait",
    "echo err >&2",
    "exit",
    "exit 7",
    "return 3",
    "read x </dev/null",
    "a=$((1 + 2)); echo $a",
    "case $x in 1) echo is one;; esac",
    "echo one | while read l; do echo got $l; done",
    "false |",
    "true &&",
    "; echo hi",
    "echo ${x?is not set}",
    "echo $_",
    "unset x",
    "umask 077",
    "eval 'exit 5'",
    "[[ a == a ]] && echo bash",
    "set -o pipefail; false | true",
    "trap 'echo err' ERR; set -E",
    "echo ${PIPESTATUS[0]}",
    "shopt -s extglob; echo @(a|b)",
]


@pytest.mark.parametrize("shell", SHELLS)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commands=st.lists(st.sampled_from(COMMANDS), min_size=2, max_size=7))
def test_markers_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, shell: str, commands: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    script = make_script(shell, commands, folder)
    here, there = folder / "with/place", folder / "without/place"
    here.mkdir(parents=True)
    there.mkdir(parents=True)
    with_markers = run(shell, script.text, here)
    plain = run(shell, "\n".join(commands).encode(), there)

    markers = boundaries(script, folder) if script.word else []

    # What runs side by side under `set -x` mixes its traces differently each time.
    assert (with_markers[:2], sorted(with_markers[2])) == (plain[:2], sorted(plain[2]))
    assert sorted(path.name for path in here.iterdir()) == sorted(
        path.name for path in there.iterdir()
    )
    assert [marker.next_command for marker in markers] == list(range(1, len(markers) + 1))

    if script.has_markers and plain[0] == 0 and not any("exit" in command for command in commands):
        assert len(markers) == len(commands) - 1


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "command",
    [
        "nginx -t",
        "systemctl restart nginx && sleep 2",
        "curl -fsS http://localhost:80/ | grep -q 'welcome' || exit 1",
        '[ "$OPSICLE_VAR_MODE" = fast ]',
        "for f in *.conf; do nginx -t -c $f; done",
        "if [ -f a ]; then\n  rm a\nfi",
        "cat > x <<EOF\nhello\nEOF",
        'echo "$(date) done"',
        "restore() {\n  pg_restore -d b dump\n}",
        "find . -name '*.tmp' -exec rm {} \\;",
        "# only a comment",
        "sleep 5 &",
        "set -euo pipefail",
        "LOG=DEBUG run --verbose 2>&1 >> log",
    ],
)
def test_a_complete_command_gets_its_marker(shell: str, command: str) -> None:
    assert can_have_markers(shell, [command, "true"])


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "command",
    [
        "if true; then", "for f in *", "cat <<EOF", "cat <<EOF\ntext",
        "echo a \\", "echo 'a", 'echo "', "f() {",
        "true &&", "true |", "x=$(", "case x in", "(", "fi", "echo `", "cat <<A <<B\nA", "set -v",
        'trap "date" DEBUG', "exec 7>&1; BASH_XTRACEFD=7; set -x",
    ],
)  # fmt: skip
def test_no_marker_is_set_where_it_would_not_be_between_two_commands(
    shell: str, command: str
) -> None:
    assert not can_have_markers(shell, [command, "true"])


def test_an_index_over_two_commands_has_no_marker_in_it() -> None:
    assert not can_have_markers("/usr/bin/bash", ["a[", "1]=x; echo ok"])


@pytest.mark.parametrize("shell", ["/usr/bin/python3", "/usr/bin/perl", "zsh"])
def test_other_interpreters_get_the_plain_commands(shell: str) -> None:
    assert not can_have_markers(shell, ["a", "b"])
    assert plain_script(["a", "b"]) == (b"a\nb", False, b"", None)


def test_a_single_command_is_left_as_it_is() -> None:
    assert not can_have_markers("/bin/sh", ["date"])
    assert plain_script(["date"]) == (b"date", True, b"", None)


def test_messages_of_the_shell_keep_their_line_numbers(tmp_path: Path) -> None:
    script = make_script("/bin/sh", ["true", "true", "nosuch"], tmp_path)
    assert re.match(rb"check: (line )?3: nosuch: ", run("/bin/sh", script.text, tmp_path)[2])


def test_the_exit_code_of_each_command_is_told(tmp_path: Path) -> None:
    script = make_script("/bin/sh", ["true", "false || (exit 9) && :", "true"], tmp_path)

    run("/bin/sh", script.text, tmp_path)

    assert boundaries(script, tmp_path) == [Boundary(1, 0), Boundary(2, 9)]


def test_a_shell_whose_worker_died_is_not_held_up_by_its_markers(tmp_path: Path) -> None:
    pipes = NamedPipes(str(tmp_path / "job"), lambda _path: None)
    script = marked_script(["echo a", "echo b"], pipes.make())
    pipes.end_writing()
    for reader in pipes.take_readers():
        os.close(reader)

    assert run("/bin/sh", script.text, tmp_path) == (0, b"a\nb\n", b"")
    pipes.close()


def test_telling_that_a_command_is_simple_costs_no_process() -> None:
    asked_before = _is_complete.cache_info().misses

    commands = [
        "nginx -t",
        "systemctl reload nginx && sleep 1",
        'echo "$OPSICLE_VAR_X" | grep -c x > out 2>&1',
        "a; b",
    ]
    assert can_have_markers("/bin/sh", commands)
    assert _is_complete.cache_info().misses == asked_before


@pytest.mark.parametrize(
    "text", ["a" * 50_000 + "(", "a b " * 20_000 + "(", "a;" * 20_000 + "'", "\\a" * 20_000 + '"']
)
def test_telling_that_a_command_is_simple_takes_no_time(text: str) -> None:
    began = time.process_time()

    can_have_markers("/bin/sh", [text, "true"])

    assert time.process_time() - began < 1
