"""The server as a process: how it starts, refuses to start, and stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import apsw
import pytest

from opsicle.security import setup_token
from tests.http.client import Client, read_all
from tests.http.conftest import client_of, data_folder, log_in, set_up
from tests.http.test_strictness import POST, slow_client
from tests.product import Process, Server, program
from tests.support import wait_until

Begin = Callable[..., Process]

CUT_OFF = "requests broken off"
"""What the server logs when requests have not ended in the time that it gives them."""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """Return a server, not started yet, that the test may stop."""
    server = Server(tmp_path / "own")
    yield server
    if server.starts:
        server.process.kill()
        print(server.process.log())


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Return a function that starts a server, which may refuse."""
    begun = []

    def begin(*options: str, data_dir: Path = tmp_path / "data") -> Process:
        ports = [] if "--listen" in options else ["--listen", "127.0.0.1:0"]
        arguments = [
            *program(),
            "server",
            "--data-dir",
            str(data_dir),
            *ports,
            "--worker-listen",
            "127.0.0.1:0",
        ]
        name = f"server-{len(begun)}"
        begun.append(Process([*arguments, *options], tmp_path / "logs", name, is_warm=True))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        print(process.log())


def refusal(process: Process, code: int) -> str:
    """Return what a server that does not start says to its user."""
    assert process.popen.wait(60) == code, process.log()
    log = process.log()
    assert "Traceback" not in log
    return log


def test_the_first_start_makes_what_a_server_needs_for_its_owner_alone(own: Server) -> None:
    own.start()
    folder = data_folder(own)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in (
        "opsicle.db",
        "logs.db",
        "authority.pem",
        "ca.pem",
        "identity.key",
        "setup-token",
        "server.json",
        "lock",
    ):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name


def test_server_json_says_where_the_server_is(own: Server) -> None:
    facts = own.start().facts

    assert set(facts) == {
        "url",
        "worker_url",
        "pid",
        "ca_fingerprint",
        "epoch",
        "held",
        "version",
    }
    assert facts["pid"] == own.process.pid
    assert client_of(own).get("/readyz").status == 200
    assert facts["url"] in own.process.output()
    assert facts["worker_url"] in own.process.output()


def test_the_setup_token_carries_the_fingerprint_and_is_gone_once_used(own: Server) -> None:
    text = (data_folder(own.start()) / "setup-token").read_text().strip()

    assert setup_token.parse(text).fingerprint == own.facts["ca_fingerprint"]
    assert f"/setup#token={text}" in own.process.output()
    set_up(own)
    assert not (data_folder(own) / "setup-token").exists()


def test_the_setup_token_stays_the_same_until_it_is_used(own: Server) -> None:
    first = (data_folder(own.start()) / "setup-token").read_text()
    own.process.stop()
    assert (data_folder(own.start()) / "setup-token").read_text() == first


def test_a_setup_token_that_was_lost_is_made_anew(own: Server) -> None:
    (data_folder(own.start()) / "setup-token").unlink()
    own.process.stop()
    own.start()
    set_up(own)


def test_a_restart_keeps_people_logged_in_and_the_ca_the_same(own: Server) -> None:
    set_up(own.start())
    alice, fingerprint = log_in(own, "alice"), own.facts["ca_fingerprint"]
    assert own.process.stop() == 0
    own.start()

    assert own.facts["ca_fingerprint"] == fingerprint
    assert Client(own.url, alice.context, alice.headers).get("/api/v1/whoami").status == 200


def test_a_stopped_server_leaves_no_server_json_and_nothing_in_the_wal(own: Server) -> None:
    own.start()
    assert own.process.stop() == 0

    assert not (data_folder(own) / "server.json").exists()
    assert not list(data_folder(own).glob("*-wal"))


def test_a_server_that_was_killed_starts_again(own: Server) -> None:
    set_up(own.start())
    own.process.kill()

    own.start()

    assert log_in(own, "alice").get("/api/v1/whoami").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_end_it_in_good_order(own: Server, number: signal.Signals) -> None:
    own.start().process.popen.send_signal(number)
    assert own.process.popen.wait(60) == 0
    assert "server stopped" in own.process.log()


def test_stopping_answers_the_requests_under_way(own: Server) -> None:
    """They are: the server has asked for the bodies, which come once it has begun to stop."""
    own.start()
    with ExitStack() as stack:
        sockets = [stack.enter_context(client_of(own).socket()) for _ in range(4)]
        for each in sockets:
            each.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert each.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"

        own.process.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: "server stopping" in own.process.log(), what="the stop")
        for each in sockets:
            each.sendall(b"{}")
        answers = [read_all(each) for each in sockets]

    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 400 "] * 4
    assert own.process.popen.wait(60) == 0
    assert CUT_OFF not in own.process.log()


def test_stopping_ends_event_streams_and_idle_connections_at_once(own: Server) -> None:
    set_up(own.start())
    alice = log_in(own, "alice")
    events = alice.events("/api/v1/events")
    assert next(events) == {"retry": "1000"}
    idle = alice.socket()

    assert own.process.stop() == 0
    assert CUT_OFF not in own.process.log()
    assert [event["event"] for event in events] in ([], ["changed"])
    assert idle.recv(1) == b""
    idle.close()


def test_clients_that_never_finish_cannot_keep_it_from_stopping(own: Server) -> None:
    anonymous = client_of(own.start())
    crowd = [slow_client(anonymous, kind) for kind in ("silent", "head", "handshake")]

    assert own.process.stop() == 0
    assert CUT_OFF not in own.process.log()

    crowd.append(slow_client(client_of(own.start()), "body"))

    assert own.process.stop() == 0
    assert CUT_OFF in own.process.log()
    for sock in crowd:
        sock.close()


def test_a_second_server_on_the_same_data_folder_is_refused(begin: Begin) -> None:
    first = begin()
    first.wait_for("opsicle server ready")
    log = refusal(begin(), 5)

    assert "another server is using" in log
    first.wait_for("opsicle server ready")
    assert first.stop() == 0


def test_a_port_in_use_is_refused_by_name(begin: Begin) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"{address} is in use" in refusal(begin("--listen", address), 5)


def test_an_address_of_another_machine_is_refused(begin: Begin) -> None:
    assert "192.0.2.1:1234 cannot be listened on" in refusal(begin("--listen", "192.0.2.1:1234"), 2)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.0.0.1:70000", "127.0.0.1:x", "unix:relative"]
)
def test_an_address_that_is_none_is_refused(begin: Begin, address: str) -> None:
    refusal(begin("--listen", address), 2)


def test_a_folder_that_is_something_elses_is_refused_and_left_alone(
    begin: Begin, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "thesis.txt").write_text("…")

    assert "no data folder of Opsicle" in refusal(begin(data_dir=home), 2)
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]
    assert stat.S_IMODE(home.stat().st_mode) == 0o755


def test_a_file_in_the_place_of_the_folder_is_refused(begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refusal(begin(data_dir=tmp_path / "file"), 2)
    refusal(begin(data_dir=tmp_path / "file/below"), 2)


def test_a_folder_that_cannot_be_written_is_refused(begin: Begin) -> None:
    assert "cannot be written" in refusal(begin(data_dir=Path("/sys/opsicle")), 3)


def test_a_database_of_a_newer_program_is_refused(own: Server, begin: Begin) -> None:
    assert own.start().process.stop() == 0
    connection = apsw.Connection(str(data_folder(own) / "opsicle.db"))
    connection.execute("PRAGMA user_version = 999")
    connection.close()

    assert "newer Opsicle" in refusal(begin(data_dir=data_folder(own)), 5)


def test_a_damaged_database_is_refused(own: Server, begin: Begin) -> None:
    assert own.start().process.stop() == 0
    path = data_folder(own) / "opsicle.db"
    path.write_bytes(path.read_bytes()[:8192] + os.urandom(8192) + path.read_bytes()[16384:])

    assert "opsicle.db is damaged" in refusal(begin(data_dir=data_folder(own)), 5)


def damage_unseen(folder: Path) -> None:
    """Spoil a page that no start needs, and set the file's time back.

    Nothing but reading it shows that.
    """
    path = folder / "opsicle.db"
    before = path.stat()
    connection = apsw.Connection(
        f"file:{path}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    page = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'link_codes'"
    ).fetchone()[0]
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_after_a_clean_stop_the_database_is_read_through_while_the_server_works(
    own: Server,
) -> None:
    assert own.start().process.stop() == 0
    own.start()

    wait_until(lambda: "database checked" in own.process.log())

    assert own.process.stop() == 0
    damage_unseen(data_folder(own))
    own.start()
    assert own.process.popen.wait(60) == 1
    assert "opsicle.db is damaged; exiting. Put a copy" in own.process.log()


def test_after_a_crash_the_database_is_read_through_before_anything_is_served(
    own: Server, begin: Begin
) -> None:
    assert own.start().process.stop() == 0
    own.start()
    own.process.kill()
    damage_unseen(data_folder(own))

    assert "opsicle.db is damaged" in refusal(begin(data_dir=data_folder(own)), 5)


def test_a_lost_ca_is_not_silently_replaced(own: Server, begin: Begin) -> None:
    assert own.start().process.stop() == 0
    (data_folder(own) / "authority.pem").unlink()

    assert "lost authority.pem" in refusal(begin(data_dir=data_folder(own)), 5)


def test_the_log_is_structured_where_no_terminal_reads_it(own: Server) -> None:
    own.start()
    err = own.process.log().partition("stderr\n")[2]
    assert all(json.loads(line)["level"] for line in err.splitlines())
