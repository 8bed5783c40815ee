"""Starting processes: what they inherit, and who collects whom."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from opsicle.worker import posix_spawn, process, process_ids
from tests.support import wait_until
from tests.worker.job_runs import is_alive

ENVIRONMENT = {b"PATH": os.environb[b"PATH"]}


def start(script: str, tag: int = 7) -> process.Child:
    return process.spawn([b"/bin/sh", b"-c", script.encode()], ENVIRONMENT, Path("/"), tag)


def finish(child: process.Child) -> tuple[int, bytes]:
    """Wait for its end; its exit code and what it printed."""
    select.select([child.pidfd], [], [])
    code = child.wait()
    os.set_blocking(child.stdout, True)
    printed = b"".join(iter(lambda: os.read(child.stdout, 65536), b""))
    os.close(child.stdout)
    os.close(child.stderr)
    return code, printed


def test_the_tag_passes_to_every_descendant_and_not_to_the_worker() -> None:
    _, printed = finish(start("env -i setsid sh -c '(cat /proc/self/limits)'", tag=123456789))

    assert b" 123456789 " in printed
    assert b" 123456789 " not in Path("/proc/self/limits").read_bytes()


def test_a_child_leads_its_own_session() -> None:
    child = start("cut -d' ' -f1,5,6 /proc/$$/stat")
    assert finish(child)[1].split() == [str(child.pid).encode()] * 3


def test_of_two_that_start_at_once_one_becomes_the_subreaper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = threading.Barrier(2)
    calls: list[int] = []

    class Libc:
        """Takes its time, until a second thread comes if one does."""

        def prctl(self, option: int, *_: int) -> int:
            calls.append(option)
            with suppress(threading.BrokenBarrierError):
                both.wait(1)
            return 0

    monkeypatch.setattr(process, "ctypes", SimpleNamespace(CDLL=lambda *_, **__: Libc()))
    process._become_subreaper.cache_clear()
    children: list[process.Child] = []

    threads = [threading.Thread(target=lambda: children.append(start("true"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    process._become_subreaper.cache_clear()  # so that the next one really does
    assert [finish(child)[0] for child in children] == [0, 0]
    assert len(calls) == 1


def test_exit_codes_are_as_in_shells() -> None:
    assert finish(start("exit 200"))[0] == 200
    assert finish(start("kill -15 $$"))[0] == 143


def test_signals_that_python_ignores_work_in_a_child() -> None:
    assert finish(start("kill -PIPE $$"))[0] == 141


def test_what_cannot_be_started_leaves_no_open_file() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))

    with pytest.raises(FileNotFoundError):
        process.spawn([b"/absent"], {}, Path("/"), 7)

    with pytest.raises(OSError, match="Argument list too long"):
        process.spawn([b"/bin/true", b"x" * 200_000], {}, Path("/"), 7)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_orphans_are_adopted_listed_while_they_live_and_collected_when_dead() -> None:
    _, printed = finish(start("(setsid sleep 1000 >/dev/null 2>&1 & echo $!)"))

    orphan = int(printed)
    assert orphan in process.collect_orphans()

    os.kill(orphan, 9)
    wait_until(lambda: not is_alive(orphan))
    assert orphan not in process.collect_orphans()
    assert not Path(f"/proc/{orphan}").exists()


def test_collecting_orphans_never_takes_another_threads_exit_code() -> None:
    codes: list[int] = []
    done = threading.Event()

    def collect() -> None:
        while not done.is_set():
            process.collect_orphans()

    def spawn() -> None:
        for number in range(40):
            code, _ = finish(start(f"(sleep 0.001 &) ; exit {number + 1}"))
            codes.append(code)

    collector = threading.Thread(target=collect)
    spawners = [threading.Thread(target=spawn) for _ in range(3)]
    for thread in [collector, *spawners]:
        thread.start()
    for thread in spawners:
        thread.join()
    done.set()
    collector.join()
    assert sorted(codes) == sorted(list(range(1, 41)) * 3)


def test_each_job_of_several_at_once_gets_its_own_tag() -> None:
    seen: dict[int, bytes] = {}

    def spawn(tag: int) -> None:
        seen[tag] = finish(start("cat /proc/self/limits", tag))[1]

    threads = [threading.Thread(target=spawn, args=(1_000_000 + number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(b" %d " % tag in limits for tag, limits in seen.items())


def test_a_life_is_told_from_another_one_of_the_same_id() -> None:
    first = subprocess.Popen(["sleep", "100"])

    instance = process_ids.instance_of(first.pid)

    assert instance == process_ids.instance_of(first.pid)
    assert instance != process_ids.instance_of(1)

    first.kill()
    first.wait()
    assert process_ids.instance_of(first.pid) is None


def test_a_child_is_known_again_without_asking_the_kernel_when_it_was_started() -> None:
    first = start("exec sleep 1000")
    second = start("exec sleep 1000")
    now = process_ids.instance_of(first.pid)
    assert now
    boot, _, tick = now.rpartition("/")

    assert process_ids.is_same_instance(now, first.instance)
    # A later owner of the id, and an earlier one.
    assert not process_ids.is_same_instance(f"{boot}/{int(tick) + 1000}", first.instance)
    assert not process_ids.is_same_instance(f"{boot}/{int(tick) - 1000}", first.instance)
    assert not process_ids.is_same_instance(f"another-boot/{tick}", first.instance)
    assert process_ids.is_same_instance(now, now)  # as a journal of the version before tells it
    assert not any(
        process_ids.is_same_instance(now, odd)
        for odd in ("", "/", f"{boot}/", f"{boot}/-", f"{boot}/x-y")
    )
    for child in (first, second):
        os.kill(child.pid, 9)
        assert finish(child)[0] == 137


@pytest.mark.parametrize("is_possible", [True, False])
def test_a_child_gets_no_file_signal_or_input_but_what_it_should(
    is_possible: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_possible:
        assert posix_spawn.is_possible(), (
            "this C library is older than glibc 2.34: the quick way is not tested"
        )
    monkeypatch.setattr(posix_spawn, "is_possible", lambda: is_possible)
    inherited = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(inherited, True)

    code, printed = finish(
        start("ls /proc/self/fd; readlink /proc/self/fd/0; pwd; grep SigIgn /proc/self/status")
    )

    os.close(inherited)
    assert code == 0
    *files, stdin, folder, ignored = printed.decode().split("\n")[:-1]
    assert files == ["0", "1", "2", "3"]  # the last is ls's own
    assert (stdin, folder) == ("/dev/null", "/")
    assert int(ignored.split()[1], 16) & (1 << 12 | 1 << 24) == 0


@pytest.mark.parametrize("is_possible", [True, False])
def test_what_no_argument_or_variable_can_hold_is_refused(
    is_possible: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posix_spawn, "is_possible", lambda: is_possible)

    with pytest.raises(ValueError, match="null byte"):
        process.spawn([b"/bin/true", b"a\0b"], {}, Path("/"), 7)

    with pytest.raises(ValueError, match="null byte"):
        process.spawn([b"/bin/true"], {b"A": b"a\0b"}, Path("/"), 7)

    with pytest.raises(ValueError, match="illegal environment variable name"):
        process.spawn([b"/bin/true"], {b"A=B": b"c"}, Path("/"), 7)


def test_a_check_that_cannot_run_has_not_succeeded() -> None:
    assert process.succeeds([b"/bin/true"])
    assert not process.succeeds([b"/bin/false"])
    assert not process.succeeds([b"/absent"])
