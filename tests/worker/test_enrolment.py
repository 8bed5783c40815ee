"""Enrolment gives one identity to whoever knows the join token's secret."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.errors import Conflict, InvalidInput, NotAuthenticated, Unreachable
from opsicle.security import certificates, join_token
from opsicle.security.authority import SERVER_NAME
from opsicle.worker.identity import WorkerDataFolder
from tests.support import require
from tests.worker.fake_enrolment import FakeEnrolmentServer, obtain
from tests.worker.running_worker import run_worker


@pytest.fixture
def fake_server() -> Iterator[FakeEnrolmentServer]:
    fake_server = FakeEnrolmentServer()
    yield fake_server
    fake_server.stop()


DAMAGED = join_token.new("http://127.0.0.1:9").text[:-1]


def test_a_join_token_gives_an_identity_that_is_kept(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    identity = obtain(folder, fake_server.token.text)

    assert (identity.worker_id, identity.org, identity.name) == ("w1", "acme", "worker-1")
    assert (identity.ca_pem, identity.server_name) == (fake_server.authority.cert_pem, SERVER_NAME)
    assert identity.expires_at == certificates.expires_at(identity.certificate_pem)
    assert (identity.org_id, identity.order_key_pem) == ("o1", fake_server.order_key.public.pem)
    assert obtain(folder, "") == identity
    assert fake_server.calls["enrol"] == 1


def test_the_identity_is_for_the_owners_eyes_only(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    obtain(folder, fake_server.token.text)

    assert folder.path.stat().st_mode & 0o777 == 0o700
    for path in folder.path.iterdir():
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0, path.name


def test_a_token_works_once(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder, tmp_path: Path
) -> None:
    obtain(folder, fake_server.token.text)
    second = WorkerDataFolder.open(tmp_path / "second")

    with pytest.raises(Conflict, match="has been used"):
        obtain(second, fake_server.token.text)

    assert second.load_identity() is None

    second.close()


def test_a_request_that_was_lost_is_sent_again(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    fake_server.faults["enrol"] += ["before", "before"]

    assert obtain(folder, fake_server.token.text).worker_id == "w1"
    assert len({bytes(body) for body in fake_server.bodies}) == 1


def test_a_lost_answer_is_told_with_the_way_out_because_the_token_is_spent(
    fake_server, folder: WorkerDataFolder
) -> None:
    fake_server.faults["enrol"] += ["after"]

    with pytest.raises(
        Unreachable, match="used up the join token, but its answer was lost"
    ) as caught:
        obtain(folder, fake_server.token.text)

    assert "opsicle workers token" in caught.value.hint
    assert folder.load_identity() is None


def test_a_server_that_is_away_leaves_the_token_usable(folder: WorkerDataFolder) -> None:
    token = join_token.new("http://127.0.0.1:9")

    with pytest.raises(Unreachable, match="refused") as caught:
        obtain(folder, token.text)

    assert "can still be used" in caught.value.hint


def test_a_damaged_token_is_told_before_anybody_is_asked(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        obtain(folder, fake_server.token.text[:-3] + "abc")
    assert not fake_server.calls


def test_without_identity_and_token_the_worker_says_how_to_enrol(folder: WorkerDataFolder) -> None:
    with pytest.raises(NotAuthenticated, match="holds no worker yet") as caught:
        obtain(folder, "")
    assert "--join" in caught.value.hint


def test_a_token_for_another_server_is_not_quietly_ignored(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    obtain(folder, fake_server.token.text)
    other = FakeEnrolmentServer()

    try:
        with pytest.raises(Conflict, match="belongs to a worker of"):
            obtain(folder, other.token.text)
    finally:
        other.stop()


def test_an_enrolled_worker_ignores_the_token_it_is_started_with_again(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    first = obtain(folder, fake_server.token.text)

    assert obtain(folder, fake_server.token.text) == first
    assert fake_server.calls["enrol"] == 1


def test_an_expired_identity_gives_way_to_a_new_token(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    old = msgspec.structs.replace(
        obtain(folder, fake_server.token.text),
        worker_id="old",
        expires_at=datetime.now(UTC) - timedelta(seconds=1),
    )
    folder.save_identity(old)

    fake_server.is_used = False

    assert obtain(folder, fake_server.token.text).worker_id == "w1"


def test_a_worker_whose_certificate_seems_expired_waits_for_a_server_that_is_away(
    folder: WorkerDataFolder,
) -> None:
    """As after a power cut.

    The clock stands in the future, the network is away, the token still in the unit file.
    """
    fake_server = FakeEnrolmentServer()
    ahead = msgspec.structs.replace(
        obtain(folder, fake_server.token.text), expires_at=datetime.now(UTC) - timedelta(days=1)
    )
    folder.save_identity(ahead)

    fake_server.stop()

    assert obtain(folder, fake_server.token.text) == ahead


def test_a_worker_of_before_there_were_orders_enrols_again_or_does_not_start(
    fake_server, folder: WorkerDataFolder
) -> None:
    old = msgspec.structs.replace(
        obtain(folder, fake_server.token.text), worker_id="old", order_key_pem=""
    )
    folder.save_identity(old)

    with pytest.raises(NotAuthenticated, match="enrolled with an older version"):
        obtain(folder, "")

    fake_server.is_used = False
    assert obtain(folder, fake_server.token.text).worker_id == "w1"


@pytest.mark.parametrize(
    "arguments", [["--join", "garbage"], ["--join", DAMAGED], []], ids=["garbage", "cut", "none"]
)
def test_without_a_token_that_is_whole_nothing_is_made(
    tmp_path: Path, arguments: list[str]
) -> None:
    ended = run_worker(tmp_path / "data", *arguments)

    assert ended.returncode in {2, 3}
    assert "opsicle workers token" in ended.stderr or "join token" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.namespaces
def test_a_full_disk_is_told_without_a_traceback(
    tmp_path: Path, fake_server: FakeEnrolmentServer
) -> None:
    require(os.geteuid() == 0, "root, to mount a small file system")
    mount = tmp_path / "small"
    mount.mkdir()
    script = (
        'mount -t tmpfs -o size=64k none "$1" '
        '&& (cat /dev/zero > "$1/filler" 2>/dev/null; shift; exec "$@")'
    )
    command = [sys.executable, str(Path(__file__).parents[2] / "opsicle.py"), "worker"]
    arguments = ["--data-dir", str(mount / "worker"), "--join", fake_server.token.text]

    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(mount), *command, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode != 0
    assert "is full" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not fake_server.calls, "the token was spent though its answer could not be kept"
