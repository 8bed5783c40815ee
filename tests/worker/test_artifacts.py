"""Which files a worker takes out of a job's workspace, and which it leaves there."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.artifacts import ArtifactLimits, PatternWalk, path_problem, pattern_problem
from opsicle.worker.artifact_sources import Named, NotTaken, WorkspaceSource
from opsicle.worker.artifact_spool import ArtifactSpool, SpooledArtifact
from opsicle.worker.artifacts import ArtifactCollector
from opsicle.worker.masking import Masking
from opsicle.worker.os_account import OsAccount
from opsicle.worker.workspace import Workspace

NOBODY = OsAccount("nobody", 65534, 65534, (65534,), "/")
SECRET = "correct-horse-battery"


class Place:
    """A workspace with what is collected from it."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder / "workspaces", "job")
        self.workspace.make()
        self.root = self.workspace.path
        self.spool = ArtifactSpool(folder / "artifacts", "job")
        self.folder = folder

    def write(self, path: str, content: bytes = b"x") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def collect(
        self,
        *patterns: str,
        account: OsAccount | None = None,
        masking: Masking | None = None,
        limits: ArtifactLimits | None = None,
    ) -> list[str]:
        collector = ArtifactCollector(
            self.workspace, account, self.spool, limits or ArtifactLimits()
        )
        return list(collector.collect(0, patterns, masking))

    def kept(self) -> dict[str, bytes]:
        return {
            each.path: self.spool.read(each, 0, 1 << 20)
            for each in self.spool.waiting()
            if not each.problem
        }

    def problems(self) -> dict[str, str]:
        return {each.path: each.problem for each in self.spool.waiting() if each.problem}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "path", "is_meant"),
    [
        ("report/*.html", "report/a.html", True),
        ("report/*.html", "report/deep/a.html", False),
        ("report/*.html", "report/.a.html", False),
        ("report/.*.html", "report/.a.html", True),
        ("**/*.txt", "a.txt", True),
        ("**/*.txt", "a/b/c.txt", True),
        ("**/*.txt", "a/.git/c.txt", False),
        ("a/**", "a/b/c", True),
        ("a/**", "b/c", False),
        ("[ab]?", "b1", True),
        ("[ab]?", "c1", False),
        ("a", "a", True),
        ("a", "A", False),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
    ],
)
def test_a_pattern_means_what_it_means_in_a_shell(pattern: str, path: str, is_meant: bool) -> None:
    walk = PatternWalk.begin([pattern])

    for name in path.split("/"):
        walk = walk.enter(name)

    assert pattern_problem(pattern) == ""
    assert walk.is_complete is is_meant


@pytest.mark.parametrize("pattern", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a**", "**/**"])
def test_a_pattern_that_leads_elsewhere_is_a_mistake(pattern: str) -> None:
    assert pattern_problem(pattern)


@pytest.mark.parametrize("path", ["a\ud800", "a\n", "a\x9f", "../a", "a/./b"])
def test_a_path_that_could_mislead_is_none(path: str) -> None:
    assert path_problem(path)


def test_files_are_copied_and_what_is_no_file_is_said_to_be_none(place: Place) -> None:
    place.write("report/a.html", b"a")
    place.write("report/b.html", b"b" * 300_000)
    (place.root / "report/c.html").symlink_to("a.html")
    os.mkfifo(place.root / "report/d.html")
    (place.root / "report/e.html").mkdir()
    place.write("report/f.html").chmod(0)

    notes = place.collect("report/*.html")

    assert {"report/a.html", "report/b.html"} <= set(place.kept())
    assert place.kept()["report/b.html"] == b"b" * 300_000
    assert place.problems()["report/c.html"] == "it is a symbolic link"
    assert place.problems()["report/d.html"] == "it is a named pipe"
    assert place.problems()["report/e.html"].startswith("it is a folder")
    assert notes[-1].endswith("artifacts kept")
    assert "artifact report/c.html is not kept: it is a symbolic link" in notes


def test_no_link_on_the_way_is_followed_even_while_it_is_swapped(place: Place) -> None:
    outside = place.folder / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(b"not the job's")
    place.write("real/f", b"the job's")
    place.write("real-file", b"the job's")
    (place.root / "link").symlink_to(outside)
    (place.root / "link-file").symlink_to(outside / "f")
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            for name, swapped in (("", "way"), ("-file", "f")):
                for kind in ("link", "real"):
                    (place.root / f"{kind}{name}").rename(place.root / swapped)
                    (place.root / swapped).rename(place.root / f"{kind}{name}")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(1000):
            place.collect("way/f", "f")
            for artifact in place.spool.waiting():
                assert artifact.problem or place.spool.read(artifact, 0, 99) == b"the job's"
                place.spool.acknowledge(artifact)
            place.spool.count = place.spool.kept_bytes = 0
    finally:
        is_over.set()
        thread.join()


def test_a_link_that_took_the_place_of_a_file_is_not_followed(place: Place) -> None:
    real = place.write("real").stat()
    (place.root / "f").symlink_to("/etc/hostname")
    source = WorkspaceSource(place.root, None)
    folder = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY)

    with (
        pytest.raises(NotTaken, match="symbolic link"),
        source.open(Named("f", "f", folder, real), lambda _size: None),
    ):
        pass

    os.close(folder)


def test_a_hard_link_is_not_taken_where_jobs_run_as_another_user(place: Place) -> None:
    (place.folder / "workers-own").write_bytes(b"a key")
    os.link(place.folder / "workers-own", place.root / "mine")
    place.write("plain")

    place.collect("*", account=NOBODY)

    assert list(place.kept()) == ["plain"]
    assert "a hard link" in place.problems()["mine"]


@pytest.mark.parametrize("border", [256 * 1024 - 5, 3, 1000])
def test_a_file_that_holds_a_secret_in_any_form_is_not_taken(place: Place, border: int) -> None:
    encoded = base64.b64encode(f"user:{SECRET}".encode())
    place.write("plain", b"." * border + SECRET.encode() + b"." * 1000)
    place.write("encoded", b"\0" * border + encoded)
    place.write("harmless", b"." * border + SECRET[:5].encode())
    place.write(f"x-{SECRET}")

    notes = place.collect("*", masking=Masking([SECRET]))

    assert list(place.kept()) == ["harmless"]
    assert set(place.problems()) == {"plain", "encoded", "x-***"}
    assert SECRET not in "".join(notes)
    assert SECRET.encode() not in b"".join(
        path.read_bytes() for path in (place.folder / "artifacts").rglob("*") if path.is_file()
    )


def test_a_giant_with_holes_costs_nothing_and_limits_hold(place: Place) -> None:
    with place.write("giant").open("wb") as file:
        file.truncate(1 << 42)
    for name in ("a", "b", "c"):
        place.write(name, b"x" * 400)

    place.collect("*", limits=ArtifactLimits(file_bytes=500, job_bytes=900))

    assert sorted(place.kept()) == ["a", "b"]
    assert set(place.problems()) == {"c", "giant"}


def test_odd_names_are_refused_and_written_so_that_they_do_no_harm(place: Place) -> None:
    for name in (b"new\nline", b"\xff\xfe", b"esc\x1b[31m"):
        (place.root / os.fsdecode(name)).touch()

    notes = place.collect("*")

    assert place.kept() == {}
    assert len(place.problems()) == 3
    assert all(note.isprintable() for note in notes)


def test_patterns_that_lead_past_too_many_names_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsicle.worker.artifact_sources.MOST_NAMES", 50)
    for number in range(60):
        place.write(f"n{number}")

    notes = place.collect("**/nothing")

    assert "say more precisely" in notes[0]


def test_a_first_copy_that_a_crash_has_cut_off_goes_with_its_job(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "job"
    folder.mkdir(parents=True)
    (folder / "0").write_bytes(b"half of it")

    spool = ArtifactSpool(folder.parent, "job")
    spool.recover()
    spool.discard()

    assert not folder.exists()


def test_a_next_life_finds_what_was_whole_and_passes_over_what_was_torn(place: Place) -> None:
    place.write("a", b"first")
    place.write("b", b"second")
    place.collect("*")
    [first, second] = place.spool.waiting()
    place.spool.acknowledge(first)
    index = place.folder / "artifacts/job/index"
    index.write_bytes(index.read_bytes() + b'{"number":2,"phase":0,"pa')

    again = ArtifactSpool(place.folder / "artifacts", "job")
    again.recover()
    with again.draft() as (number, draft):
        os.write(draft, b"third")
        again.add(SpooledArtifact(number, 1, "c", 5, "0" * 64))
    third = ArtifactSpool(place.folder / "artifacts", "job")
    third.recover()

    assert [each.path for each in again.waiting()] == ["b", "c"]
    assert [each.path for each in third.waiting()] == ["b", "c"]
    assert third.read(second, 0, 99) == b"second"
    third.discard()
    assert not index.parent.exists()


@pytest.fixture(autouse=True)
def removable(place: Place) -> Iterator[None]:
    yield
    assert place.workspace.remove() == ""
