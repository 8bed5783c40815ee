"""A real Prometheus reads our figures, and takes the alerts and queries that we hand out."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from shutil import which
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from tests.http.client import Client
from tests.product import CHECKOUT, Server
from tests.support import free_port, require, wait_until

HANDED_OUT = CHECKOUT / "examples/monitoring"
DOCUMENTED = (CHECKOUT / "docs/operations/monitoring.md").read_text()
DASHBOARD = json.loads((HANDED_OUT / "dashboard.json").read_text())
SUFFIXES = re.compile(r"_(total|bucket|count|sum|created)$")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server with a port for its figures, and return that port's address."""
    address = f"127.0.0.1:{free_port()}"
    options = ("--metrics-listen", address, "--replica", "/var/replica")
    server = Server(tmp_path_factory.mktemp("server"), options=options)
    server.start()
    yield address
    server.process.stop()


@pytest.fixture(scope="module")
def prometheus(figures: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Prometheus as our example says, but often, and return its URL."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = (HANDED_OUT / "prometheus.yml").read_text()
    config = config.replace("127.0.0.1:9464", figures).replace("15s", "200ms")
    (folder / "prometheus.yml").write_text(config)
    (folder / "alerts.yml").write_text((HANDED_OUT / "alerts.yml").read_text())
    binary = which("prometheus")
    require(binary is not None, "the package prometheus")
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(binary),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]

    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield f"http://{address}"
        finally:
            process.kill()
    print((folder / "log").read_text())


def asked(prometheus: str, path: str) -> Any:
    """Return what Prometheus answers; None while it does not, or for a wrong query."""
    try:
        with urlopen(f"{prometheus}/api/v1/{path}", timeout=60) as answer:
            return json.load(answer)["data"]
    except URLError:
        return None


def queried(prometheus: str, query: str) -> Any:
    found = asked(prometheus, f"query?query={quote(query)}")
    return found and found["result"]


def names_in(text: str) -> set[str]:
    return {SUFFIXES.sub("", name) for name in re.findall(r"\bopsicle_[a-z_]+", text)}


def test_prometheus_reads_what_the_server_shows(prometheus: str) -> None:
    up = 'up{job="opsicle"} == 1'
    wait_until(lambda: queried(prometheus, up), 60, "Prometheus to have asked the server")

    rules = asked(prometheus, "rules")["groups"][0]["rules"]
    (read,) = queried(prometheus, "opsicle_connected_workers")

    assert read["value"][1] == "0"
    assert [rule["name"] for rule in rules if f"`{rule['name']}`" not in DOCUMENTED] == []
    assert [rule["name"] for rule in rules if queried(prometheus, rule["query"]) is None] == []


def test_every_query_of_the_dashboard_is_one_that_prometheus_takes(prometheus: str) -> None:
    wait_until(lambda: queried(prometheus, "up"), 60, "Prometheus")

    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$instance", ".*")
            assert queried(prometheus, query) is not None, query


def test_promtool_finds_nothing_wrong_with_the_files() -> None:
    require(which("promtool") is not None, "the package prometheus")
    for command in ("promtool check config prometheus.yml", "promtool check rules alerts.yml"):
        assert command in DOCUMENTED
        done = subprocess.run(
            command.split(),
            cwd=HANDED_OUT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_dashboard_and_page_name_just_what_there_is(figures: str) -> None:
    text = Client(f"http://{figures}", None).get("/metrics").content.decode()

    shown = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE opsicle_")}
    shown = {SUFFIXES.sub("", name) for name in shown}

    handed_out = (HANDED_OUT / "alerts.yml").read_text() + json.dumps(DASHBOARD)
    sometimes = {"opsicle_last_backup_seconds", "opsicle_ended_automations"}
    sometimes |= {"opsicle_forwarding_waiting_entries", "opsicle_forwarding_lag_seconds"}
    assert names_in(handed_out) <= shown | sometimes
    assert shown <= names_in(DOCUMENTED)
    assert names_in(DOCUMENTED) <= shown | sometimes
