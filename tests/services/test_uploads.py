"""What becomes of an upload: taken, refused, or broken off; and who may have how many."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.artifacts import ArtifactLimits
from opsicle.domain.errors import Conflict, InvalidInput, TooLarge, Unavailable
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.job_artifacts import ArtifactBounds
from opsicle.server.files import service as files_service
from tests.services.core import Core
from tests.services.test_artifacts import begun, send
from tests.services.test_files import CONTENT, LOAD, run, sha256, stored, upload
from tests.support import require


@pytest.fixture
def load(core: Core, alice: Actor) -> None:
    core.push(alice, LOAD % "")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up.csv", "/etc/passwd", "a\0.csv", "a\n.csv", "a\u202e.csv", "a\\b", " a",
     "\udcff.csv", "é" * 126 + ".csv"],
)  # fmt: skip
def test_a_hostile_name_is_refused(core: Core, alice: Actor, name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        upload(core, alice, b"x", name)

    assert stored(core) == []


@pytest.mark.usefixtures("load")
@pytest.mark.parametrize("name", ["-rf.csv", "$(id).csv", "é\u0301 ü.csv", "x" * 251 + ".csv"])
def test_an_odd_name_is_kept_as_it_is(core: Core, alice: Actor, name: str) -> None:
    made = run(core, alice, report=upload(core, alice, b"x", name).id)

    assert made.files[0].name == name


def test_the_limits_of_file_person_and_org_are_said(core: Core, alice: Actor) -> None:
    core.services.job_artifacts.bounds = ArtifactBounds(ArtifactLimits(1000, 2500), org_bytes=3500)
    bob = core.person(alice.org_id, "bob", BuiltInRole.OPERATOR)
    endless = iter(lambda: b"x" * 100, b"").__next__

    with pytest.raises(TooLarge):
        upload(core, alice, b"x" * 1001)
    with pytest.raises(TooLarge):
        core.services.files.upload(alice, "chunked", 0, lambda _size: endless())
    for fill in (b"1", b"2"):
        upload(core, alice, fill * 1000)
    with pytest.raises(Conflict, match="no automation has taken yet"):
        upload(core, alice, b"3" * 1000)
    upload(core, bob, b"4" * 1000)
    with pytest.raises(Conflict, match="take all of its"):
        upload(core, bob, b"5" * 1000)

    assert len(stored(core)) == 3


def test_a_mere_promise_of_a_file_pushes_out_nobodys_artifact(core: Core, alice: Actor) -> None:
    core.services.job_artifacts.bounds = ArtifactBounds(org_bytes=1000)
    worker = core.worker(alice.org_id, "w")
    job = begun(core, alice, worker)
    send(worker, job, b"o" * 900)
    core.clock.advance(8 * 86400)

    def break_off(_size: int) -> bytes:
        raise InvalidInput("the connection ended in the middle of the body")

    with pytest.raises(InvalidInput, match="ended"):
        core.services.files.upload(alice, "r.csv", 900, break_off)
    kept = core.automations.get(alice, job.automation_id).artifacts
    upload(core, alice, b"n" * 900)

    assert len(kept) == 1
    assert core.automations.get(alice, job.automation_id).artifacts == []


@pytest.mark.usefixtures("load")
def test_uploads_that_are_used_do_not_count_as_ones_that_wait(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_service, "MAX_UNUSED", 1)

    for number in range(3):
        run(core, alice, report=upload(core, alice, b"%d" % number).id)
    upload(core, alice, b"waits")

    with pytest.raises(Conflict):
        upload(core, alice, b"one too many")


def test_a_connection_that_breaks_in_the_middle_leaves_nothing(core: Core, alice: Actor) -> None:
    pieces = iter([CONTENT[:1000]])

    def read(_size: int) -> bytes:
        for piece in pieces:
            return piece
        raise InvalidInput("the connection ended in the middle of the body")

    with pytest.raises(InvalidInput):
        core.services.files.upload(alice, "r.csv", len(CONTENT), read)

    assert stored(core) == []


def test_a_disk_that_is_full_is_said_and_leaves_nothing(core: Core, alice: Actor) -> None:
    require(os.geteuid() == 0, "root, to mount a small disk")
    folder = core.folder / "artifacts"
    folder.mkdir()
    small = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    subprocess.run(small, check=True)
    try:
        with pytest.raises(Unavailable, match="No space left"):
            upload(core, alice)
        left = stored(core)
        fits = upload(core, alice, b"fits")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)

    assert left == []
    assert fits.sha256 == sha256(b"fits")


def test_what_a_killed_server_has_received_is_swept_and_what_comes_just_now_is_not(
    core: Core, alice: Actor
) -> None:
    incoming = core.folder / "artifacts/incoming"
    incoming.mkdir(parents=True)
    (incoming / "stream-dead.new").write_bytes(b"half")
    (incoming / f"stream-dead2.{sha256(b'whole')}").write_bytes(b"whole")
    core = core.restart()
    assert stored(core) == []
    during: list[str] = []
    pieces = iter([b"comes", b""])

    def read(_size: int) -> bytes:
        core.services.job_artifacts.prune()
        during.extend(stored(core))
        return next(pieces)

    core.services.files.upload(alice, "r.csv", 0, read)
    left = stored(core)
    core.close()

    assert [Path(name).suffix for name in during] == [".new", ".new"]
    assert left == [sha256(b"comes")]
