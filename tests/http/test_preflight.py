"""Every option is looked at before anything is made: a slip leaves no folder with keys behind."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, OpsicleError
from opsicle.security.authority import Authority
from opsicle.server.preflight import check_machine
from opsicle.server.settings import ServerOptions
from tests.product import Process, program
from tests.support import free_port

FREE = {"listen": "127.0.0.1:0", "worker_listen": "127.0.0.1:0"}

SLIPS: dict[str, tuple[list[str], str]] = {
    "an open bracket": (["--listen", "[::1"], "no address to listen on"),
    "a closing bracket": (["--listen", "127.0.0.1]:0"], "no address to listen on"),
    "a blank": (["--worker-listen", "ho st:1"], "no address to listen on"),
    "a colon": (["--metrics-listen", "::0"], "no address to listen on"),
    "a port that cannot be": (["--listen", "127.0.0.1:65536"], "no address to listen on"),
    "an address of no machine": (["--listen", "300.1.1.1:0"], "cannot be listened on"),
    "an address of another machine": (["--worker-listen", "192.0.2.1:0"], "cannot be listened on"),
    "one address twice": (
        ["--listen", "127.0.0.1:{port}", "--worker-listen", "127.0.0.1:{port}"],
        "is in use",
    ),
    "a name with a blank": (["--name", "bad name"], "cannot stand in a certificate"),
    "no name": (["--name", ""], "cannot stand in a certificate"),
    "a certificate that is not there": (
        ["--tls-cert", "/no/cert", "--tls-key", "/no/key"],
        "/no/cert cannot be read",
    ),
    "a master key that is not there": (["--master-key-file", "/no/key"], "/no/key does not exist"),
    "a socket without a folder": (
        ["--behind-proxy", "--listen", "unix:/no/such/socket"],
        "cannot be made",
    ),
    "a long socket": (
        ["--behind-proxy", "--listen", f"unix:/tmp/{'a' * 120}"],
        "longer than 107 bytes",
    ),
    "a group that is none": (
        ["--behind-proxy", "--listen", "unix:/tmp/opsicle-none", "--socket-group", "no-such-group"],
        "no such group",
    ),
    "days beyond the calendar": (["--log-retention-days", "99999999999"], "at most 36500"),
    "entries for longer than any": (["--audit-retention-days", "3000000"], "at most 36500"),
    "a count beyond the database's": (
        ["--automation-retention-count", "9" * 20],
        "at most 1000000000",
    ),
    "a network that is none": (["--allow-egress", "10.0.0.0/8x"], "is no network"),
    "a url that is none": (["--url", "https://[::1"], "--url"),
}


@pytest.mark.parametrize(("options", "says"), SLIPS.values(), ids=SLIPS)
def test_a_slip_in_an_option_is_named_and_makes_nothing(
    tmp_path: Path, options: list[str], says: str
) -> None:
    port, given = str(free_port()), list(options)
    for option, free in (("--listen", "127.0.0.1:0"), ("--worker-listen", "127.0.0.1:0")):
        given += [] if option in given else [option, free]
    arguments = [each.replace("{port}", port) for each in given]

    process = Process(
        [*program(), "server", "--data-dir", str(tmp_path / "data"), *arguments],
        tmp_path,
        "server",
        is_warm=True,
    )
    try:
        assert process.popen.wait(60) != 0, process.log()
        assert says in process.log()
        assert "Traceback" not in process.log()
        assert not (tmp_path / "data").exists()
    finally:
        process.kill()


def given_pair(folder: Path) -> dict[str, Path]:
    certificate, key = Authority.create(datetime.now(UTC)).issue_server(
        ["localhost"], datetime.now(UTC)
    )
    (folder / "cert.pem").write_text(certificate)
    (folder / "key.pem").write_text(key)
    return {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem"}


def checked(folder: Path, **given: object) -> OpsicleError | None:
    """Return what is said against these options, None if nothing."""
    try:
        check_machine(ServerOptions(data_dir=folder / "data", **FREE | given))  # type: ignore[arg-type]
    except OpsicleError as error:
        return error
    return None


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_the_key_of_a_given_certificate_may_be_read_by_its_owner_and_a_group(
    tmp_path: Path, mode: int
) -> None:
    pair = given_pair(tmp_path)
    pair["tls_key"].chmod(mode)

    assert checked(tmp_path, **pair) is None


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602, 0o666, 0o641])
def test_one_that_anybody_can_have_or_change_is_refused_with_the_way_out(
    tmp_path: Path, mode: int
) -> None:
    pair = given_pair(tmp_path)
    pair["tls_key"].chmod(mode)

    refused = checked(tmp_path, **pair)

    assert isinstance(refused, NotAllowed)
    assert str(pair["tls_key"]) in refused.message
    assert f"mode {mode:04o}" in refused.message
    assert refused.hint == f"Take that away: chmod 640 {pair['tls_key']}"


def test_an_address_in_use_is_said_only_where_no_server_has_been(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert isinstance(checked(tmp_path, listen=listen), Conflict)
        (tmp_path / "data").mkdir()
        (tmp_path / "data/lock").touch()
        assert checked(tmp_path, listen=listen) is None


def test_looking_at_a_socket_neither_makes_nor_takes_it(tmp_path: Path) -> None:
    listen = f"unix:{tmp_path}/socket"
    assert checked(tmp_path, listen=listen, behind_proxy=True) is None
    assert not any(tmp_path.iterdir())


def test_a_master_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    (tmp_path / "key").chmod(0o600)
    assert isinstance(checked(tmp_path, master_key_file=tmp_path / "key"), InvalidInput)
