"""The one file does the main job on every Python of this machine, without any way out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.built_file import built_file
from tests.e2e.namespaces import network
from tests.e2e.nginx_jobs import NginxJobs, change_and_fail_to_change
from tests.e2e.targets import Nginx
from tests.packaging.test_pythons import INTERPRETERS
from tests.product import CHECKOUT, Installation, Place, Process, program
from tests.support import SCALE, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.packaging,
    pytest.mark.namespaces,
    pytest.mark.timeout(300),
]


OLDEST, *_, NEWEST = [*INTERPRETERS, *INTERPRETERS]
"""All run the file's commands and load all of it in tests/packaging, and the other tests run on the
oldest: here it is one of both in the nightly run alone."""


@pytest.fixture(scope="session")
def built() -> Path:
    """Build the file from the sources as they are."""
    return built_file()


@pytest.mark.parametrize("version", sorted({OLDEST, NEWEST} if SCALE > 1 else {NEWEST}))
def test_the_built_file_changes_a_real_nginx_without_any_network_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, built: Path, version: str
) -> None:
    monkeypatch.setenv("OPSICLE_UNDER_TEST", str(built))
    monkeypatch.setenv("OPSICLE_TEST_PYTHON", INTERPRETERS[version])
    with network() as net:
        inside = net.place("island", "127.0.0.1")
        assert not net.can_connect(inside, "192.0.2.1", 443)
        with (
            Nginx(tmp_path / "nginx", inside) as nginx,
            Installation(tmp_path, inside, inside) as installation,
        ):
            installation.worker("here", inside)
            installation.push((CHECKOUT / "examples/nginx-change-page.yaml").read_text())
            change_and_fail_to_change(NginxJobs(installation.admin, nginx))


DEMO_SECONDS = 60.0
"""A hang guard; on an idle machine the first automation of the demo has finished after some 2 s."""


def test_the_demo_of_the_built_file_runs_its_samples_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, built: Path
) -> None:
    monkeypatch.setenv("OPSICLE_UNDER_TEST", str(built))
    with network() as net:
        island: Place = net.place("demo", "127.0.0.1")
        folder = tmp_path / "tmp"
        folder.mkdir()
        environment = {"TMPDIR": str(folder), "NO_COLOR": "1"}
        began = time.monotonic()
        demo = Process([*island.prefix, *program(), "demo"], tmp_path, "demo", environment)
        try:
            wait_until(
                lambda: "succeeded" in demo.log(), DEMO_SECONDS, "the demo's first automation"
            )
            print(f"first automation finished after {time.monotonic() - began:.1f} s")
            wait_until(lambda: "Ctrl-C" in demo.log(), DEMO_SECONDS, "the demo to wait")
            assert "http://127.0.0.1" in demo.log()
        finally:
            code = demo.stop()
        assert code in {0, 130, 143}, demo.log()
        assert list(folder.iterdir()) == []
