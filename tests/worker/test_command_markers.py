"""What a command prints stands under its own heading, however soon it ends."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.automations import JobState
from opsicle.wire.jobs import STDERR, STDOUT, StepState
from opsicle.worker.command_markers import Boundary, CommandMarkers, MarkerReader, new_word
from opsicle.worker.output import JobOutput
from opsicle.worker.waiting import Waiter
from tests.support import wait_until
from tests.worker.job_runs import (
    Log,
    Machine,
    in_background,
    number_twice,
    phase,
    printed_twice,
    under_headings,
)

SHELLS = [found for name in ("dash", "bash", "ash") if (found := shutil.which(name))]
WORD = new_word()


@pytest.mark.parametrize("shell", SHELLS)
def test_each_of_many_quick_commands_has_its_own_output(machine: Machine, shell: str) -> None:
    outcome = machine.run(phase(*number_twice(200), shell=shell))

    assert under_headings(machine.log, outcome) == printed_twice(200)


def test_output_without_ends_of_lines_and_more_than_pipes_hold_stays_apart(
    machine: Machine,
) -> None:
    much = "head -c 700000 /dev/zero | tr '\\0' {0}; head -c 700000 /dev/zero | tr '\\0' {0} >&2"
    commands = ["printf a", "printf b >&2", much.format("c"), "true", much.format("d"), "printf e"]

    outcome = machine.run(phase(*commands))

    found = under_headings(machine.log, outcome)
    assert found == [b"a", b"b", b"c" * 1_400_000, b"", b"d" * 1_400_000, b"e"]


@pytest.mark.parametrize(
    ("redirect", "file"),
    [("exec >all 2>&1", b"b\nc\n"), ("exec 1>&- 2>&- 3>all", b""), ("exec >&- 2>all", b"c\n")],
)
def test_boundaries_are_told_wherever_the_output_goes(
    machine: Machine, redirect: str, file: bytes
) -> None:
    there = phase("echo a", redirect, "echo b || :", "echo c >&2 || :")

    outcome = machine.run(there, phase("grep -v rror all || :"))

    assert outcome.state is JobState.SUCCEEDED
    assert [command.exit_code for command in outcome.phases[0].commands] == [0] * 4
    assert under_headings(machine.log, outcome) == [b"a\n"] + [b""] * 3
    assert machine.log.of(phase=1) == file


def test_what_shows_the_script_ends_no_command(machine: Machine) -> None:
    show = "tr '\\0' '\\n' </proc/$$/cmdline; printf '\\036'; printf '\\036' >&2"

    outcome = machine.run(phase(show, "echo b"))

    first, second = under_headings(machine.log, outcome)
    assert b"_opsicle_mark" in first
    assert first.endswith(b"\x1e\x1e")
    assert second == b"b\n"


def test_a_command_that_becomes_another_program_is_the_last(machine: Machine) -> None:
    outcome = machine.run(phase("echo a", "exec sh -c 'echo b; exit 3'", "echo c"))

    first, second, third = outcome.phases[0].commands
    assert (first.exit_code, second.exit_code) == (0, 3)
    assert third.state is StepState.SKIPPED
    assert under_headings(machine.log, outcome) == [b"a\n", b"b\n"]


def test_what_is_left_in_the_background_holds_up_no_boundary(machine: Machine) -> None:
    left = "sleep 300 & echo $! >pid"

    outcome = machine.run(phase(left, "echo b", "kill $(cat pid); wait; echo c"), phase("echo d"))

    assert outcome.state is JobState.SUCCEEDED
    assert under_headings(machine.log, outcome) == [b"", b"b\n", b"c\n"]


def test_a_secret_that_two_commands_print_is_masked_and_under_both(machine: Machine) -> None:
    commands = ["printf abc", "printf 'defghijk'", "echo lmno; echo fin"]

    outcome = machine.run(phase(*commands, secrets=("s",)), secret_values={"s": "abcdefghijklmno"})

    found = under_headings(machine.log, outcome)
    assert found == [b"abc", b"***", b"***\nfin\n"]


def test_places_are_right_where_the_sink_had_no_room_when_the_shell_ended(
    machine: Machine,
) -> None:
    machine.log.has_space = False
    thread, outcomes = in_background(machine, phase(*number_twice(5), "touch over"))
    wait_until(lambda: any("work=succeeded" in state for state in machine.log.states))

    machine.log.has_space = True
    thread.join(60)

    found = under_headings(machine.log, outcomes[0])
    assert found == [*printed_twice(5), b""]


# Two pipes, written by hand


class Streams:
    """Both streams of a try, and what was passed of it."""

    def __init__(self) -> None:
        self.log, waiter = Log(), Waiter()
        self.output = JobOutput(self.log, waiter)
        self.passed: list[tuple[int, int]] = []
        self.markers = CommandMarkers(WORD, self._pass, lambda: None)
        self.write_ends = {stream: os.pipe() for stream in (STDOUT, STDERR)}
        pipes = []
        for stream, (reader, _) in self.write_ends.items():
            os.set_blocking(reader, False)
            pipes.append(self.output.add(reader, 0, stream, self.markers))
        pipes[0].join(pipes[1])

    def _pass(self, boundary: Boundary) -> None:
        self.passed.append((boundary.next_command, self.output.offset))

    def write(self, stream: int, content: bytes) -> None:
        os.write(self.write_ends[stream][1], content)
        self.output.drain()


@pytest.fixture
def streams() -> Iterator[Streams]:
    streams = Streams()
    yield streams
    streams.output.close()
    for _, writer in streams.write_ends.values():
        os.close(writer)


def mark(number: int, exit_code: int = 0) -> bytes:
    return b"%b %d %d\n" % (WORD, number, exit_code)


def test_neither_stream_is_heard_beyond_a_boundary_before_the_other(streams: Streams) -> None:
    streams.write(STDOUT, b"a" + mark(1) + b"b")
    assert streams.log.everything == b"a"
    assert not streams.output.is_held_up  # there is room for it

    streams.write(STDERR, b"A")
    streams.write(STDERR, mark(1) + b"B")

    assert streams.log.everything[:2] == b"aA"
    assert sorted(streams.log.everything[2:]) == sorted(b"bB")
    assert streams.passed == [(1, 2)]


def test_a_shell_that_was_killed_between_its_two_marks_has_ended_the_command(
    streams: Streams,
) -> None:
    streams.write(STDERR, b"A" + mark(1) + b"B")
    streams.write(STDOUT, b"a")

    assert streams.output.end_commands(streams.markers) == []

    assert streams.log.everything == b"AaB"
    assert streams.passed == [(1, 2)]


def test_a_mark_that_comes_twice_or_late_changes_nothing(streams: Streams) -> None:
    streams.write(STDOUT, mark(1) + mark(1) + mark(2) + b"b")
    streams.write(STDERR, mark(2) + mark(1) + b"B")

    assert sorted(streams.log.everything) == sorted(b"bB")
    assert [number for number, _ in streams.passed] == [1, 2]


@given(
    pieces=st.lists(
        st.sampled_from(
            [b"a", b"\x1e", WORD, WORD[:9], WORD + b" 7", mark(3, 255), mark(1), b"\n", b" 1 0\n"]
        )
    ),
    data=st.data(),
)
def test_it_does_not_matter_in_which_pieces_a_stream_is_read(
    pieces: list[bytes], data: st.DataObject
) -> None:
    content = b"".join(pieces)
    whole, cut = MarkerReader(WORD), MarkerReader(WORD)
    places = sorted(data.draw(st.sets(st.integers(0, len(content)))))

    expected = joined([*whole.read(content), whole.finish()])
    read = [
        each
        for begin, end in zip([0, *places], [*places, len(content)], strict=True)
        for each in cut.read(content[begin:end])
    ]

    assert joined([*read, cut.finish()]) == expected
    told = [mark(*each) if isinstance(each, Boundary) else each for each in expected]
    assert b"".join(told) == content


def joined(pieces: list[bytes | Boundary]) -> list[bytes | Boundary]:
    """Return the same with neighbouring bytes as one."""
    result: list[bytes | Boundary] = []
    for piece in pieces:
        if isinstance(piece, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += piece
        elif piece:
            result.append(piece)
    return result
