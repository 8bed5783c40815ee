"""Figures for those who run the server: who sees them, where, and what they say."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.client import Client
from tests.http.conftest import add, client_of, data_folder, log_in, set_up
from tests.product import Process, Server, program
from tests.support import free_port

FAMILIES = {
    "opsicle_open_automations",
    "opsicle_queued_automations",
    "opsicle_waiting_automations",
    "opsicle_ended_automations",
    "opsicle_deliveries",
    "opsicle_certificate_expiry_seconds",
    "opsicle_database_bytes",
    "opsicle_last_backup_seconds",
    "opsicle_connected_workers",
    "opsicle_loop_lag_seconds",
    "opsicle_event_streams",
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server with a Unix socket for its figures."""
    folder = tmp_path_factory.mktemp("watched")
    server = Server(folder, options=("--metrics-listen", f"unix:{folder}/metrics.sock")).start()
    set_up(server)
    yield server
    print(server.process.log())
    assert server.process.stop() == 0
    assert not (folder / "metrics.sock").exists()


def ask_socket(path: Path, what: str) -> tuple[int, str]:
    """Ask over a Unix socket, as Prometheus's exporters and curl do."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(path))
    connection.request("GET", what)
    reply = connection.getresponse()
    try:
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def test_nobody_without_the_providers_rights_sees_figures_of_all_orgs(watched: Server) -> None:
    alice = log_in(watched, "alice")
    rita = add(watched, alice, "rita")

    assert client_of(watched).get("/metrics").status == 401
    assert rita.get("/metrics").status == 403
    assert rita.get("/api/v1/audit").status == 200
    assert alice.get("/metrics").status == 200


def test_the_unix_socket_shows_them_without_a_login_and_nothing_else(watched: Server) -> None:
    sock = watched.folder / "metrics.sock"

    assert sock.stat().st_mode & 0o777 == 0o660
    status, text = ask_socket(sock, "/metrics")
    assert status == 200
    assert {
        line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")
    } >= FAMILIES - {"opsicle_ended_automations"}
    assert ask_socket(sock, "/readyz")[0] == 200
    for other in ("/", "/api/v1/whoami", "/api/openapi.json", "/api/v1/audit"):
        assert ask_socket(sock, other)[0] in (401, 404), other


def test_the_figures_say_what_waits_why_and_how_large_it_all_is(watched: Server) -> None:
    alice = log_in(watched, "alice")
    document = (
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: waits}\n"
        "spec: {template: {phases: [{name: one, commands: ['true']}]}}\n"
    )
    assert alice.post("/api/v1/templates", {"source": document}).status == 201
    ids = [alice.post("/api/v1/automations", {"template": "waits"}).json["id"] for _ in range(3)]
    assert alice.post(f"/api/v1/automations/{ids[0]}/cancel").status == 200
    (data_folder(watched) / "last-backup").touch()
    os.utime(data_folder(watched) / "last-backup", (1_000_000_000, 1_000_000_000))

    _, text = ask_socket(watched.folder / "metrics.sock", "/metrics")
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    assert figures['opsicle_queued_automations{reason="no_worker"}'] == "2.0"
    assert figures['opsicle_ended_automations_total{state="cancelled"}'] == "1.0"
    assert float(figures["opsicle_last_backup_seconds"]) == 1_000_000_000
    assert float(figures['opsicle_database_bytes{file="opsicle.db-wal"}']) > 0
    assert float(figures['opsicle_certificate_expiry_seconds{certificate="users"}']) > 1_700_000_000


@pytest.mark.parametrize("address", ["0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:9000"])
def test_figures_without_a_login_never_leave_the_machine(tmp_path: Path, address: str) -> None:
    arguments = [
        "--data-dir",
        str(tmp_path / "data"),
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        address,
    ]
    process = Process([*program(), "server", *arguments], tmp_path, "server", is_warm=True)
    try:
        assert process.popen.wait(60) == 2, process.log()
        assert "--metrics-listen" in process.log()
    finally:
        process.kill()


def test_a_loopback_port_shows_them_too(tmp_path: Path) -> None:
    port = free_port()
    server = Server(tmp_path / "port", options=("--metrics-listen", f"127.0.0.1:{port}")).start()
    try:
        assert Client(f"http://127.0.0.1:{port}", None).get("/metrics").status == 200
    finally:
        server.process.stop()
