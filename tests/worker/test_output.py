"""Output reaches the sink whole, in order, at once when rare and in large pieces when much."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsicle.domain.automations import JobState
from opsicle.wire.jobs import STDERR, STDOUT
from opsicle.worker.output import CHUNK_BYTES, JobOutput
from opsicle.worker.waiting import Waiter
from tests.worker.job_runs import Log, Machine, phase

TWENTY_MEGABYTES = "yes " + ("1234567890" * 10)[:99]


class Printed:
    """A pipe between the test and an Output."""

    def __init__(self) -> None:
        self.log = Log()
        self.waiter = Waiter()
        self.output = JobOutput(self.log, self.waiter)
        read_end, self.write_end = os.pipe()
        os.set_blocking(read_end, False)
        self.output.add(read_end, 0, STDOUT)

    def turn_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.waiter.turn(min(until, self.output.turn(time.monotonic())))

    def close(self) -> None:
        os.close(self.write_end)
        self.output.drain()


@pytest.fixture
def printed():
    printed = Printed()
    yield printed
    printed.output.close()
    printed.waiter.close()


def test_a_log_of_two_hundred_thousand_lines_arrives_whole_and_in_few_chunks(
    machine: Machine,
) -> None:
    outcome = machine.run(phase(f"{TWENTY_MEGABYTES} | head -n 200000"))

    assert outcome.state is JobState.SUCCEEDED
    assert machine.log.length == 20_000_000
    assert len(set(machine.log.everything.splitlines())) == 1
    assert max(len(chunk[3]) for chunk in machine.log.chunks) <= CHUNK_BYTES
    assert len(machine.log.chunks) < 2000


def test_many_small_writes_are_gathered(machine: Machine) -> None:
    machine.run(phase("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done"))

    assert machine.log.stdout == b"".join(b"line %d\n" % number for number in range(20000))
    assert len(machine.log.chunks) < 1000


def test_a_rare_line_is_not_held_back(printed: Printed) -> None:
    os.write(printed.write_end, b"first\n")

    printed.waiter.turn(time.monotonic() + 5)

    assert printed.log.everything == b"first\n"

    printed.close()


def test_what_the_sink_has_no_room_for_is_offered_again_and_blocks_the_writer_meanwhile(
    printed: Printed,
) -> None:
    os.set_blocking(printed.write_end, False)
    printed.log.has_space = False
    written = 0

    for _ in range(200):
        try:
            written += os.write(printed.write_end, b"x" * 4096)
        except BlockingIOError:
            printed.turn_for(0.005)

    assert written <= 64 * 1024 * 6  # what the pipe, which has become wider, and one chunk hold
    assert printed.output.is_held_up

    printed.log.has_space = True
    printed.turn_for(0.2)
    printed.close()
    assert printed.log.everything == b"x" * written
    assert not printed.output.is_open


def test_after_being_read_a_quiet_pipe_is_waited_for_without_spinning(printed: Printed) -> None:
    os.write(printed.write_end, b"first\n")
    used = time.process_time()

    printed.turn_for(0.5)

    assert time.process_time() - used < 0.1

    os.write(printed.write_end, b"second\n")
    printed.waiter.turn(time.monotonic() + 5)
    assert printed.log.everything == b"first\nsecond\n"

    printed.close()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1]), st.binary(min_size=1, max_size=300), st.booleans()),
        max_size=30,
    )
)
def test_each_stream_is_byte_equal_whatever_the_sink_takes_when(
    writes: list[tuple[int, bytes, bool]],
) -> None:
    log, waiter = Log(), Waiter()
    output = JobOutput(log, waiter)
    write_ends = []
    for stream in (STDOUT, STDERR):
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        output.add(read_end, 0, stream)
        write_ends.append(write_end)
    for which, data, log.has_space in writes:
        os.write(write_ends[which], data)
        output.drain()
    log.has_space = True
    for write_end in write_ends:
        os.close(write_end)

    output.drain()

    assert log.stdout == b"".join(data for which, data, _ in writes if which == 0)
    assert log.stderr == b"".join(data for which, data, _ in writes if which == 1)
    assert output.offset == log.length
    assert not output.is_open

    waiter.close()


# The order of the two streams


class TwoPipes:
    """Both streams of a job, and a reader that has woken up after whatever was `said`."""

    def __init__(self) -> None:
        self.log, self.waiter = Log(), Waiter()
        self.output = JobOutput(self.log, self.waiter)
        self.write_ends = {stream: _add_pipe(self.output, stream) for stream in (STDOUT, STDERR)}

    def write(self, stream: int, *lines: str) -> None:
        for line in lines:
            os.write(self.write_ends[stream], f"{line}\n".encode())

    def say(self, stream: int, *lines: str) -> None:
        """Print, and let the reader wake up before anything else is printed."""
        self.write(stream, *lines)
        self.waiter.turn(min(time.monotonic() + 60, self.output.turn(time.monotonic())))

    def lines(self) -> list[str]:
        """Close both ends; all that has arrived, in its order."""
        for fd in self.write_ends.values():
            os.close(fd)
        self.output.drain()
        self.waiter.close()
        return self.log.everything.decode().splitlines()


def test_a_trace_an_error_and_plain_output_stand_in_the_order_in_which_they_were_printed() -> None:
    pipes = TwoPipes()

    for stream, line in (
        (STDERR, "+ echo one"),
        (STDOUT, "one"),
        (STDERR, "+ ls /x"),
        (STDOUT, "two"),
    ):
        pipes.say(stream, line)

    assert pipes.lines() == ["+ echo one", "one", "+ ls /x", "two"]


@pytest.mark.parametrize(("one", "other"), [(STDOUT, STDERR), (STDERR, STDOUT)])
def test_what_is_gathered_from_one_stream_stands_before_what_the_other_says_next(
    one: int, other: int
) -> None:
    pipes = TwoPipes()
    pipes.say(one, "first")
    pipes.write(one, "second")  # while this stream is left alone, to gather more
    pipes.say(other, "third")

    pipes.say(one, "fourth")

    assert pipes.lines() == ["first", "second", "third", "fourth"]


class Answering(Log):
    """A log that writes a line into a named pipe for each piece of plain output it has taken."""

    def __init__(self, pipe: Path) -> None:
        super().__init__()
        os.mkfifo(pipe)
        self.fd = os.open(pipe, os.O_RDWR)

    def write(self, phase: int, stream: int, at_ms: int, data: bytes) -> int | None:
        length = super().write(phase, stream, at_ms, data)
        if stream == STDOUT:
            os.write(self.fd, b"\n")
        return length


def test_a_shells_error_stands_between_what_it_printed_before_and_after(
    machine: Machine, tmp_path: Path
) -> None:
    """However late the worker wakes up: the commands wait until the log has what they printed."""
    log = machine.log = Answering(tmp_path / "seen")
    seen = f"read -r seen <{tmp_path / 'seen'}"

    outcome = machine.run(
        phase(f"set -x; echo one; {seen}; echo two; {seen}; ls /nonexistent || true; echo three")
    )
    os.close(log.fd)

    assert outcome.state is JobState.SUCCEEDED
    lines = log.everything.decode().splitlines()
    error = next(
        number
        for number, line in enumerate(lines)
        if "nonexistent" in line and not line.startswith("+")
    )
    assert lines.index("one") < lines.index("+ echo two")
    assert lines.index("two") < error < lines.index("+ echo three")


def test_what_one_stream_says_in_a_row_is_not_torn_apart_by_the_other_however_late_it_is_read() -> (
    None
):
    log, waiter = Log(), Waiter()
    output = JobOutput(log, waiter)
    stdout, stderr = (_add_pipe(output, stream) for stream in (STDOUT, STDERR))
    os.write(stderr, b"Traceback\n")
    waiter.turn(time.monotonic() + 5)
    os.write(stderr, b"  File 1\n  File 2\n")  # while the reader gathers, and before it is back
    os.write(stdout, b"after\n")
    os.write(stderr, b"next\n")

    for _ in range(3):
        waiter.turn(min(time.monotonic() + 5, output.turn(time.monotonic())))

    assert log.everything.startswith(b"Traceback\n  File 1\n  File 2\n")
    assert log.everything.endswith(b"after\n")

    for fd in (stdout, stderr):
        os.close(fd)
    output.drain()
    output.close()
    waiter.close()


def test_the_stream_that_spoke_first_is_read_first_when_both_wait() -> None:
    for streams in ((STDOUT, STDERR), (STDERR, STDOUT)):
        log, waiter = Log(), Waiter()
        output = JobOutput(log, waiter)
        ends = {stream: _add_pipe(output, stream) for stream in (STDOUT, STDERR)}
        for stream in streams:
            os.write(ends[stream], b"%d " % stream)
        waiter.turn(time.monotonic() + 5)
        assert log.everything.split() == [b"%d" % stream for stream in streams]
        for fd in ends.values():
            os.close(fd)
        output.close()
        waiter.close()


def test_nothing_overtakes_what_the_sink_has_had_no_room_for(printed: Printed) -> None:
    stderr = _add_pipe(printed.output, STDERR)
    printed.log.has_space = False
    os.write(printed.write_end, b"first\n")
    printed.turn_for(0.01)
    os.write(stderr, b"second\n")
    printed.turn_for(0.01)
    printed.log.has_space = True

    printed.turn_for(0.2)

    assert printed.log.everything == b"first\nsecond\n"

    os.close(stderr)
    printed.close()


def _add_pipe(output: JobOutput, stream: int) -> int:
    """Return a further pipe that the output reads; returns the end to write to."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    output.add(read_end, 0, stream)
    return write_end


def test_with_both_streams_in_one_pipe_the_order_is_exact(machine: Machine) -> None:
    machine.run(
        phase("exec 2>&1", "set -x; echo one; echo two; ls /nonexistent || true; echo three")
    )

    lines = machine.log.everything.decode().splitlines()
    assert lines[:5] == ["+ echo one", "one", "+ echo two", "two", "+ ls /nonexistent"]
    assert lines[-2:] == ["+ echo three", "three"]


# The longest log


def test_a_log_ends_at_its_limit_and_the_job_goes_on(machine: Machine) -> None:
    judge = phase("seq 100000 >&2", "echo through", "touch ended", name="loud")

    outcome = machine.run(
        judge, phase("test -e ended; echo quiet", name="next"), max_log_bytes=10_000
    )

    assert outcome.state is JobState.SUCCEEDED, outcome.explanation

    printed = b"".join(b"%d\n" % number for number in range(1, 100_001))
    whole = printed + b"through\nquiet\n"
    log = machine.log.everything
    assert log.startswith(printed[:10_000])
    *_, limit, dropped, end = log[10_000:].decode().split("\n")
    assert (
        limit == "opsicle: the log ends here: a job may log 10000 bytes. "
        "The job goes on; the rest is counted"
    )
    assert (
        dropped
        == f"opsicle: {len(whole) - 10_000} bytes more were printed, and are not in this log"
    )
    assert end == ""


def test_a_job_below_the_limit_says_nothing_of_it(machine: Machine) -> None:
    machine.run(phase("printf 12345"), max_log_bytes=6)
    assert machine.log.everything == b"12345"
