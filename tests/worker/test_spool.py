"""Not a byte of a job's output is lost, doubled or changed between the job and the server."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsicle.wire.worker_api import MAX_CHUNK_BYTES, MAX_LOG_REQUEST_BYTES
from opsicle.worker import spool as spools
from opsicle.worker.spool import MEMORY_BYTES, Spool, SpoolQuota
from tests.support import require, wait_until

PLENTY = 1 << 30


def make(folder: Path, job_id: str = "job", quota: SpoolQuota | None = None) -> Spool:
    return Spool(folder, job_id, quota or SpoolQuota(PLENTY, PLENTY))


def recover(folder: Path, job_id: str = "job") -> Spool:
    return Spool.recover(folder, job_id, SpoolQuota(PLENTY, PLENTY))


def drain(spool: Spool) -> bytes:
    """Read and acknowledge all that is left."""
    content = b""
    while chunks := spool.read():
        content += b"".join(chunk[4] for chunk in chunks)
        spool.acknowledge(chunks[-1][0] + len(chunks[-1][4]))
    return content


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"),
            st.binary(min_size=1, max_size=60),
            st.integers(0, 1),
            st.integers(0, 200),
        ),
        st.tuples(st.just("acknowledge"), st.floats(0, 1)),
        st.tuples(st.just("read"), st.integers(100, 500)),
        st.tuples(st.just("recover")),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_whatever_is_acknowledged_when_the_rest_is_read_as_it_was_written(
    tmp_path_factory, steps
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spools, "SEGMENT_BYTES", 60)  # so that even short examples have several
        spool, written = make(folder), b""
        acknowledged = 0
        for step in steps:
            if step[0] == "write":
                assert spool.write(step[2], 1, step[3], step[1]) == len(written) + len(step[1])
                written += step[1]
            elif step[0] == "acknowledge":
                acknowledged = max(acknowledged, int(step[1] * len(written)))
                spool.acknowledge(int(step[1] * len(written)))
            elif step[0] == "recover":
                spool = recover(folder)
                assert spool.end == len(written)
                assert spool.acknowledged <= acknowledged, (
                    "bytes that nobody has acknowledged are gone"
                )
                acknowledged = spool.acknowledged
            check_read(spool, written, step[1] if step[0] == "read" else 10_000)
        assert spool.end == len(written)
        assert drain(spool) == written[acknowledged:]


def check_read(spool: Spool, written: bytes, limit: int) -> None:
    expected = spool.acknowledged
    for offset, _, _, _, content in spool.read(limit):
        assert offset == expected
        assert content == written[offset : offset + len(content)]
        assert 0 < len(content) <= MAX_CHUNK_BYTES
        expected += len(content)
    assert expected > spool.acknowledged or not spool.pending, "no progress"


def test_streams_and_phases_stay_apart_and_in_order(tmp_path: Path) -> None:
    spool = make(tmp_path)

    for phase, stream, at_ms, content in [
        (0, 1, 10, b"a"),
        (0, 1, 20, b"b"),
        (0, 2, 20, b"c"),
        (0, 1, 20, b"d"),
        (1, 1, 20, b"e"),
        (1, 1, 500, b"f"),
        (1, 1, 400, b"g"),
    ]:
        spool.write(phase, stream, at_ms, content)

    assert spool.read() == [
        (0, 0, 1, 10, b"ab"),
        (2, 0, 2, 20, b"c"),
        (3, 0, 1, 20, b"d"),
        (4, 1, 1, 20, b"e"),
        (5, 1, 1, 500, b"f"),
        (6, 1, 1, 400, b"g"),
    ]


def test_no_chunk_and_no_request_is_larger_than_the_server_takes(tmp_path: Path) -> None:
    spool = make(tmp_path)
    for _ in range(30):
        spool.write(0, 1, 0, b"x" * 50_000)
        spool.write(0, 1, 0, b"y" * MAX_CHUNK_BYTES)
    total = 0

    while chunks := spool.read():
        assert max(len(chunk[4]) for chunk in chunks) <= MAX_CHUNK_BYTES
        assert sum(len(chunk[4]) for chunk in chunks) <= MAX_LOG_REQUEST_BYTES
        total += sum(len(chunk[4]) for chunk in chunks)
        spool.acknowledge(total)

    assert total == spool.end == 30 * (50_000 + MAX_CHUNK_BYTES)


def test_tiny_chunks_do_not_burst_a_request(tmp_path: Path) -> None:
    spool = make(tmp_path)

    for number in range(60_000):
        spool.write(0, 1 + number % 2, 0, b"x")

    assert len(msgspec.msgpack.encode(spool.read())) < MAX_LOG_REQUEST_BYTES + 64 * 1024


def test_a_job_without_output_leaves_no_file(tmp_path: Path) -> None:
    spool = make(tmp_path)

    spool.sync()

    assert spool.read() == []
    assert list(tmp_path.iterdir()) == []


def test_acknowledged_output_leaves_the_disk(tmp_path: Path) -> None:
    spool = make(tmp_path)
    for _ in range(3 * spools.SEGMENT_BYTES // 60_000):
        spool.write(0, 1, 0, b"x" * 60_000)
    before = sum(path.stat().st_size for path in tmp_path.iterdir())
    drain(spool)

    after = sum(path.stat().st_size for path in tmp_path.iterdir())

    assert before > 2 * spools.SEGMENT_BYTES
    assert after <= spools.SEGMENT_BYTES + 100_000


def test_a_record_torn_at_any_byte_is_cut_off_and_the_rest_stays(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.write(0, 1, 0, b"first line\n")
    size = next(tmp_path.iterdir()).stat().st_size
    spool.write(0, 1, 0, b"second line\n")
    path = next(tmp_path.iterdir())
    content = path.read_bytes()

    for cut in range(size, len(content)):
        path.write_bytes(content[:cut])
        spool = recover(tmp_path)
        assert spool.end == len(b"first line\n")
        assert [chunk[4] for chunk in spool.read()] == [b"first line\n"]


def test_a_damaged_record_is_never_passed_on(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.write(0, 1, 0, b"first line\n")
    spool.write(0, 1, 0, b"second line\n")
    path = next(tmp_path.iterdir())
    content = bytearray(path.read_bytes())
    content[-2] ^= 1

    path.write_bytes(content)

    assert [chunk[4] for chunk in recover(tmp_path).read()] == [b"first line\n"]


def test_jobs_do_not_read_each_others_spools(tmp_path: Path) -> None:
    make(tmp_path, "a").write(0, 1, 0, b"of a")

    make(tmp_path, "ab").write(0, 1, 0, b"of ab")

    assert recover(tmp_path, "a").read()[0][4] == b"of a"
    assert recover(tmp_path, "ab").read()[0][4] == b"of ab"


def test_a_full_spool_takes_nothing_until_there_is_room_again(tmp_path: Path) -> None:
    spool = make(tmp_path, quota=SpoolQuota(2000, PLENTY))
    taken = b""

    while spool.write(0, 1, 0, b"%04d" % len(taken)) is not None:
        taken += b"%04d" % len(taken)

    assert spool.held <= 2000
    assert spool.end == len(taken), "what was refused must not count"
    assert drain(spool) == taken


def test_room_comes_back_with_acknowledged_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 500)
    spool = make(tmp_path, quota=SpoolQuota(2000, 2000))

    for _ in range(200):
        if spool.write(0, 1, 0, b"x" * 100) is None:
            drain(spool)
            assert spool.write(0, 1, 0, b"x" * 100) is not None

    assert spool.held <= 2000


def test_one_full_spool_does_not_silence_another_job(tmp_path: Path) -> None:
    quota = SpoolQuota(1000, 1000)
    loud, quiet = make(tmp_path, "loud", quota), make(tmp_path, "quiet", quota)

    while loud.write(0, 1, 0, b"x" * 100) is not None:
        pass

    assert quiet.write(0, 1, 0, b"y" * 100) == 100
    assert quiet.write(0, 1, 0, b"y" * 100) is None


def test_discarded_output_gives_all_its_room_back(tmp_path: Path) -> None:
    quota = SpoolQuota(1000, 1000)
    first = make(tmp_path, "first", quota)
    while first.write(0, 1, 0, b"x" * 100) is not None:
        pass

    first.discard()

    assert first.write(0, 1, 0, b"nobody wants this") is not None
    assert list(tmp_path.iterdir()) == []

    second = make(tmp_path, "second", quota)
    for _ in range(8):
        assert second.write(0, 1, 0, b"x" * 100) is not None


def test_a_write_that_the_disk_refuses_half_way_leaves_no_trace(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.write(0, 1, 0, b"before\n")
    size = next(tmp_path.iterdir()).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A part of the record finds room.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, before[1]))

    try:
        assert spool.write(0, 1, 0, b"x" * 100) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert next(tmp_path.iterdir()).stat().st_size == size
    assert spool.write(0, 1, 0, b"after\n") == len(b"before\nafter\n")
    assert b"".join(chunk[4] for chunk in recover(tmp_path).read()) == b"before\nafter\n"


def test_a_killed_process_loses_nothing_that_was_spooled(tmp_path: Path) -> None:
    code = """
import os, pathlib, sys
from opsicle.worker.spool import MEMORY_BYTES, Spool, SpoolQuota
from tests.support import require, wait_until
spool = Spool(pathlib.Path(sys.argv[1]), "job", SpoolQuota(1 << 30, 1 << 30))
for number in range(1000):
    spool.write(0, 1, 0, b"line %d\\n" % number)
os.kill(os.getpid(), 9)
"""

    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)

    assert drain(recover(tmp_path)) == b"".join(b"line %d\n" % number for number in range(1000))


# A disk without room


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a file system of 1 MiB."""
    require(os.geteuid() == 0, "root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


def test_output_waits_in_memory_while_the_disk_is_full_and_goes_to_it_when_it_takes_some(
    small_disk: Path,
) -> None:
    spool = make(small_disk)
    spool.write(0, 1, 0, b"first ")
    filler = fill(small_disk)
    written = b"first "

    while spool.write(0, 1, 0, b"x" * 5000) is not None:
        written += b"x" * 5000

    assert MEMORY_BYTES // 2 < len(written) <= MEMORY_BYTES + 8192

    filler.unlink()
    wait_until(
        lambda: spool.write(0, 2, 0, b" last" * 1000) is not None, 60, "the disk to be tried again"
    )
    written += b" last" * 1000
    assert drain(recover(small_disk)) == written
    assert drain(spool) == written


def test_with_a_full_disk_a_job_goes_on_as_long_as_the_server_takes_its_output(
    small_disk: Path,
) -> None:
    spool = make(small_disk)
    fill(small_disk)
    sent = b""

    for number in range(100):
        assert spool.write(0, 1, 0, b"%d " % number * 3000) is not None
        sent += drain(spool)

    assert sent == b"".join(b"%d " % number * 3000 for number in range(100))


def test_what_is_only_in_memory_is_not_said_to_outlive_the_machine(small_disk: Path) -> None:
    spool = make(small_disk)
    fill(small_disk)
    spool.write(0, 1, 0, b"x" * 9000)

    with pytest.raises(OSError, match="No space"):
        spool.sync()

    assert drain(spool) == b"x" * 9000


def test_a_new_life_writes_on_behind_what_it_found(tmp_path: Path) -> None:
    make(tmp_path).write(0, 1, 0, b"lost ")
    (tmp_path / "job.00000000000000000005").write_bytes(b"torn")
    (tmp_path / "job.00000000000000000009").write_bytes(b"has no place")

    spool = recover(tmp_path)

    assert spool.write(0, 1, 0, b"found") == 10
    assert drain(recover(tmp_path)) == b"lost found"
