"""Enrolment gives exactly one identity to whoever knows the join token's secret, through anything in between."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.errors import Conflict, InvalidInput, NotAuthenticated, Unreachable
from opsicle.kit import files
from opsicle.security import certificates, join_token
from opsicle.security.authority import SERVER_NAME, Authority
from opsicle.security.order_key import OrderKey
from opsicle.wire.worker_api import Enrolment, EnrolRequest, PollReply, PollRequest
from opsicle.worker.connection import ServerConnection
from opsicle.worker.credentials import EnrolmentInfo, obtain_identity
from opsicle.worker.identity import Identity, WorkerDataFolder
from tests.support import require
from tests.worker.fake_server import EnrolmentPeer, FakeServer
from tests.worker.working import run_worker


@pytest.fixture
def fake_server() -> Iterator[EnrolmentPeer]:
    fake_server = EnrolmentPeer()
    yield fake_server
    fake_server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[WorkerDataFolder]:
    folder = WorkerDataFolder.open(tmp_path / "worker")
    yield folder
    folder.close()


DAMAGED = join_token.new("http://127.0.0.1:9").text[:-1]


def obtain(folder: WorkerDataFolder, token: str) -> Identity:
    return obtain_identity(
        folder, EnrolmentInfo(join=token, name="worker-1", labels={"zone": "north"})
    )


def test_a_join_token_gives_an_identity_that_is_kept(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
) -> None:
    identity = obtain(folder, fake_server.token.text)
    assert (identity.worker_id, identity.org, identity.name) == ("w1", "acme", "worker-1")
    assert (identity.ca_pem, identity.server_name) == (fake_server.authority.cert_pem, SERVER_NAME)
    assert identity.expires_at == certificates.expires_at(identity.certificate_pem)
    assert (identity.org_id, identity.order_key_pem) == ("o1", fake_server.order_key.public.pem)
    assert obtain(folder, "") == identity
    assert fake_server.calls["enrol"] == 1


def test_the_identity_is_for_the_owners_eyes_only(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
) -> None:
    obtain(folder, fake_server.token.text)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    for path in folder.path.iterdir():
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0, path.name


def test_the_secret_never_goes_over_the_wire(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
) -> None:
    identity = obtain(folder, fake_server.token.text)
    sent = b"".join(fake_server.bodies)
    secret = fake_server.token.secret
    for form in (
        secret,
        base64.b64encode(secret),
        base64.urlsafe_b64encode(secret),
        secret.hex().encode(),
    ):
        assert form not in sent
    assert b"PRIVATE KEY" not in sent
    assert fake_server.token.text.encode() not in sent
    assert identity.key_pem.encode() not in sent


@pytest.mark.parametrize(
    "change",
    [
        lambda e: msgspec.structs.replace(e, ca_pem=Authority.create(datetime.now(UTC)).cert_pem),
        lambda e: msgspec.structs.replace(e, worker_url="https://mallory.example"),
        lambda e: msgspec.structs.replace(e, request_digest="0" * 64),
        lambda e: msgspec.structs.replace(e, org="other"),
        lambda e: msgspec.structs.replace(e, order_key_pem=OrderKey.create().public.pem),
    ],
    ids=[
        "another CA",
        "another address",
        "another request",
        "another org",
        "another key for orders",
    ],
)
def test_an_answer_that_was_altered_on_the_way_is_refused_and_nothing_kept(
    fake_server, folder, change
) -> None:
    fake_server.forge = change
    with pytest.raises(NotAuthenticated, match="somebody stands between"):
        obtain(folder, fake_server.token.text)
    assert folder.load_identity() is None


def strangers_certificate(folder: Path, names: list[str]) -> ssl.SSLContext:
    """TLS as somebody in the middle has it.

    With a certificate of their own CA, for whatever name they like.
    """
    pair = folder / "stranger.pem"
    certificate_pem, key_pem = Authority.create(datetime.now(UTC)).issue_server(
        names, datetime.now(UTC)
    )
    pair.write_text(key_pem + certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context


@pytest.mark.parametrize("names", [[], ["ops.example.com"]], ids=["for us", "for another"])
def test_in_the_middle_of_an_enrolment_over_tls_nobody_learns_the_secret_or_becomes_the_server(
    tmp_path: Path, folder: WorkerDataFolder, names: list[str]
) -> None:
    """The middle decrypts everything.

    It may pass on what it read, and then the worker has the real server's CA.
    """
    fake_server = EnrolmentPeer(tls=strangers_certificate(tmp_path, names))
    mallorys = Authority.create(datetime.now(UTC)).cert_pem
    fake_server.forge = lambda enrolment: msgspec.structs.replace(enrolment, ca_pem=mallorys)
    with pytest.raises(NotAuthenticated, match="somebody stands between"):
        obtain(folder, fake_server.token.text)
    assert folder.load_identity() is None
    fake_server.forge, fake_server.is_used = lambda enrolment: enrolment, False
    assert obtain(folder, fake_server.token.text).ca_pem == fake_server.authority.cert_pem
    secret = fake_server.token.secret
    read = b"".join(fake_server.bodies)
    assert len(fake_server.bodies) == 2
    for form in (
        secret,
        base64.b64encode(secret),
        base64.urlsafe_b64encode(secret),
        secret.hex().encode(),
    ):
        assert form not in read
    fake_server.stop()


def test_an_answer_of_an_earlier_enrolment_is_worth_nothing_for_this_one(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
) -> None:
    obtain(folder, fake_server.token.text)
    first = msgspec.json.decode(fake_server.bodies[0], type=EnrolRequest)
    fake_server.is_used = False
    replayed = fake_server.handle("", msgspec.json.encode(first), "")
    fake_server.handle = lambda *_: replayed
    with (
        closing(WorkerDataFolder.open(folder.path.parent / "other")) as other,
        pytest.raises(NotAuthenticated, match="between"),
    ):
        obtain(other, fake_server.token.text)


def test_somebody_without_the_secret_cannot_answer_in_the_servers_place(
    fake_server, folder: WorkerDataFolder
) -> None:
    fake_server.key, fake_server.checks_requests = b"\0" * 32, False
    with pytest.raises(NotAuthenticated, match="somebody stands between"):
        obtain(folder, fake_server.token.text)
    assert folder.load_identity() is None


def test_a_token_works_once(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder, tmp_path: Path
) -> None:
    obtain(folder, fake_server.token.text)
    second = WorkerDataFolder.open(tmp_path / "second")
    with pytest.raises(Conflict, match="has been used"):
        obtain(second, fake_server.token.text)
    assert second.load_identity() is None
    second.close()


def test_a_request_that_was_lost_is_sent_again(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
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
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
) -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        obtain(folder, fake_server.token.text[:-3] + "abc")
    assert not fake_server.calls


def test_without_identity_and_token_the_worker_says_how_to_enrol(folder: WorkerDataFolder) -> None:
    with pytest.raises(NotAuthenticated, match="holds no worker yet") as caught:
        obtain(folder, "")
    assert "--join" in caught.value.hint


def test_a_token_for_another_server_is_not_quietly_ignored(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
) -> None:
    obtain(folder, fake_server.token.text)
    other = EnrolmentPeer()

    try:
        with pytest.raises(Conflict, match="belongs to a worker of"):
            obtain(folder, other.token.text)
    finally:
        other.stop()


def test_an_enrolled_worker_ignores_the_token_it_is_started_with_again(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
) -> None:
    first = obtain(folder, fake_server.token.text)
    assert obtain(folder, fake_server.token.text) == first
    assert fake_server.calls["enrol"] == 1


def test_an_expired_identity_gives_way_to_a_new_token(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
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
    fake_server = EnrolmentPeer()
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


def test_an_answer_without_a_usable_key_for_orders_is_no_enrolment(
    fake_server, folder: WorkerDataFolder
) -> None:
    fake_server.forge = lambda enrolment: msgspec.structs.replace(enrolment, order_key_pem="")
    fake_server.proves_what_it_forged = True
    with pytest.raises(InvalidInput, match="key for orders"):
        obtain(folder, fake_server.token.text)
    assert folder.load_identity() is None


def test_an_answer_with_a_certificate_for_another_key_is_refused(
    fake_server: EnrolmentPeer, folder: WorkerDataFolder
) -> None:
    def other_key(enrolment: Enrolment) -> Enrolment:
        key = certificates.load_csr(certificates.make_key_and_csr()[1])
        pem = fake_server.authority.issue_worker(key, "acme", "w1", datetime.now(UTC)).pem
        return msgspec.structs.replace(enrolment, certificate_pem=pem)

    fake_server.forge = other_key
    fake_server.proves_what_it_forged = True
    with pytest.raises(InvalidInput, match="does not belong to the certificate"):
        obtain(folder, fake_server.token.text)
    assert folder.load_identity() is None


def test_a_crash_while_the_identity_is_written_leaves_the_old_one_or_the_new(
    tmp_path: Path,
) -> None:
    """The process is killed at each system call of the replacement in turn."""
    code = """
import os, pathlib, sys
from opsicle.kit import files
left = int(sys.argv[2])
def dying(call):
    def wrapper(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return call(*arguments, **options)
    return wrapper
for name in ("open", "write", "fsync", "replace", "close"):
    setattr(os, name, dying(getattr(os, name)))
files.replace(pathlib.Path(sys.argv[1]), b"new" * 1000)
"""
    path = tmp_path / "identity.json"
    seen = set()
    for calls in range(12):
        path.write_bytes(b"old" * 1000)
        ended = subprocess.run(
            [sys.executable, "-c", code, str(path), str(calls)], check=False
        ).returncode
        content = path.read_bytes()
        assert content in {b"old" * 1000, b"new" * 1000}
        seen.add((ended, content[:3]))
    assert (-9, b"old") in seen
    assert (0, b"new") in seen


def test_half_an_identity_on_the_way_is_no_identity(folder: WorkerDataFolder) -> None:
    (folder.path / ".identity.json.new").write_bytes(b'{"worker_id": "w')
    assert folder.load_identity() is None
    files.replace(folder.path / "identity.json", b"{}")
    with pytest.raises(InvalidInput, match="damaged"):
        folder.load_identity()


def test_two_workers_cannot_share_a_data_folder(folder: WorkerDataFolder) -> None:
    with pytest.raises(Conflict, match="another worker is running"):
        WorkerDataFolder.open(folder.path)


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


def test_a_data_folder_that_is_a_file_is_told_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    ended = run_worker(path, "--join", join_token.new("http://127.0.0.1:9").text)
    assert ended.returncode == 2
    assert "cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.namespaces
def test_a_full_disk_is_told_without_a_traceback(
    tmp_path: Path, fake_server: EnrolmentPeer
) -> None:
    require(os.geteuid() == 0, "root, to mount a small file system")
    mount = tmp_path / "small"
    mount.mkdir()
    script = 'mount -t tmpfs -o size=64k none "$1" && (cat /dev/zero > "$1/filler" 2>/dev/null; shift; exec "$@")'
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


def test_a_new_identity_is_used_for_the_next_call(tmp_path: Path) -> None:
    fake_server = FakeServer(tmp_path)
    fake_server.start()
    try:
        request = PollRequest(
            boot_id="b", version="1", labels={}, slots=1, free_slots=1, runtimes=(), wait_seconds=0
        )
        connection = ServerConnection(fake_server.identity())
        connection.call("/worker/v1/poll", request, PollReply)
        connection.use(fake_server.identity())
        connection.call("/worker/v1/poll", request, PollReply)
        assert len(set(fake_server.serials)) == 2
        connection.close()
    finally:
        fake_server.stop()
