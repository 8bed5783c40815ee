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

from opsicle.worker.attempt import MarkerPipe
from opsicle.worker.script import CommandMarker, _is_complete, make_script, read_markers

SHELLS = [found for name in ("dash", "bash", "ash") if (found := shutil.which(name))]


@pytest.fixture
def marker_pipe(tmp_path: Path):
    marker_pipe = MarkerPipe(tmp_path / "it's a pipe")
    marker_pipe.open()
    yield marker_pipe
    marker_pipe.close()


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
    marker_pipe = MarkerPipe(folder / "marks")
    marker_pipe.open()
    script = make_script(shell, commands, marker_pipe.path, attempt=1)
    here, there = folder / "with/place", folder / "without/place"
    here.mkdir(parents=True)
    there.mkdir(parents=True)
    with_markers = run(shell, script.text, here)
    plain = run(shell, "\n".join(commands).encode(), there)

    markers = read_markers(marker_pipe.read(), attempt=1)
    marker_pipe.close()

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
def test_a_complete_command_gets_its_marker(
    shell: str, command: str, marker_pipe: MarkerPipe
) -> None:
    assert make_script(shell, [command, "true"], marker_pipe.path, 1).has_markers


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "command",
    [
        "if true; then", "for f in *", "cat <<EOF", "cat <<EOF\ntext",
        "echo a \\", "echo 'a", 'echo "', "f() {",
        "true &&", "true |", "x=$(", "case x in", "(", "fi", "echo `", "cat <<A <<B\nA", "set -v",
        'trap "date" DEBUG',
    ],
)  # fmt: skip
def test_no_marker_is_set_where_it_would_not_be_between_two_commands(
    shell: str, command: str, marker_pipe: MarkerPipe
) -> None:
    assert not make_script(shell, [command, "true"], marker_pipe.path, 1).has_markers


def test_an_index_over_two_commands_has_no_marker_in_it(marker_pipe: MarkerPipe) -> None:
    commands = ["a[", "1]=x; echo ok"]
    assert not make_script("/usr/bin/bash", commands, marker_pipe.path, 1).has_markers


@pytest.mark.parametrize("shell", ["/usr/bin/python3", "/usr/bin/perl", "zsh"])
def test_other_interpreters_get_the_plain_commands(shell: str, marker_pipe: MarkerPipe) -> None:
    assert make_script(shell, ["a", "b"], marker_pipe.path, 1) == (b"a\nb", False)


def test_a_single_command_is_left_as_it_is(marker_pipe: MarkerPipe) -> None:
    assert make_script("/bin/sh", ["date"], marker_pipe.path, 1) == (b"date", True)


def test_messages_of_the_shell_keep_their_line_numbers(
    marker_pipe: MarkerPipe, tmp_path: Path
) -> None:
    script = make_script("/bin/sh", ["true", "true", "nosuch"], marker_pipe.path, 1)
    assert re.match(rb"check: (line )?3: nosuch: ", run("/bin/sh", script.text, tmp_path)[2])


def test_the_exit_code_of_each_command_is_told(marker_pipe: MarkerPipe, tmp_path: Path) -> None:
    script = make_script("/bin/sh", ["true", "false || (exit 9) && :", "true"], marker_pipe.path, 4)

    run("/bin/sh", script.text, tmp_path)

    assert read_markers(marker_pipe.read(), 4) == [CommandMarker(4, 1, 0), CommandMarker(4, 2, 9)]


def test_what_others_write_into_the_pipe_is_not_taken_for_a_marker() -> None:
    written = b"1 1 0\nhello\n2 1 0\n1 2\n1 -2 0\n1 2 99999999999\n\xff\xfe 2 3\n1 2 0\n"
    assert read_markers(written, attempt=1) == [CommandMarker(1, 1, 0), CommandMarker(1, 2, 0)]


def test_a_shell_whose_worker_died_is_not_held_up_by_its_markers(
    marker_pipe: MarkerPipe, tmp_path: Path
) -> None:
    script = make_script("/bin/sh", ["echo a", "echo b"], marker_pipe.path, 1)
    marker_pipe.close()

    assert run("/bin/sh", script.text, tmp_path) == (0, b"a\nb\n", b"")


def test_telling_that_a_command_is_simple_costs_no_process(marker_pipe: MarkerPipe) -> None:
    asked_before = _is_complete.cache_info().misses

    commands = [
        "nginx -t",
        "systemctl reload nginx && sleep 1",
        'echo "$OPSICLE_VAR_X" | grep -c x > out 2>&1',
        "a; b",
    ]
    assert make_script("/bin/sh", commands, marker_pipe.path, 1).has_markers
    assert _is_complete.cache_info().misses == asked_before


@pytest.mark.parametrize(
    "text", ["a" * 50_000 + "(", "a b " * 20_000 + "(", "a;" * 20_000 + "'", "\\a" * 20_000 + '"']
)
def test_telling_that_a_command_is_simple_takes_no_time(text: str, marker_pipe: MarkerPipe) -> None:
    began = time.process_time()

    make_script("/bin/sh", [text, "true"], marker_pipe.path, 1)

    assert time.process_time() - began < 1
