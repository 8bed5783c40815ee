"""A standby by Litestream, by the commands of docs/operations/standby.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from tests.e2e.litestream import litestream
from tests.e2e.restored_sites import TEMPLATE, Site
from tests.product import CHECKOUT
from tests.support import SCALE, free_port, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 * max(1, SCALE / 4))]

AUTOMATIONS = max(6, round(16 * SCALE))
"""How many run while the server is killed; OPSICLE_TEST_SCALE=12.5 makes them 200."""

LAST = max(2, AUTOMATIONS // 8)
GUIDE = (CHECKOUT / "docs/operations/standby.md").read_text()


@contextmanager
def replicated(site: Site, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Litestream beside a server, with the configuration of the guide."""
    (config,) = re.findall(r"```yaml\n(dbs:.*?)```", GUIDE, re.DOTALL)
    ours = config.replace("/var/lib/opsicle", str(site.data)).replace("/var/replica", str(folder))
    ours = ours.replace("sync-interval: 1s", "sync-interval: 200ms")  # the test need not wait
    (folder / "litestream.yml").write_text(ours)
    assert "litestream replicate -config /etc/litestream.yml" in GUIDE
    command = [litestream(), "replicate", "-config", folder / "litestream.yml"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def replica_of(folder: Path, database: Path, to: Path) -> bool:
    """Return whether there is a replica, and have it restored."""
    to.unlink(missing_ok=True)
    command = [litestream(), "restore", "-config", folder / "litestream.yml", "-o", to, database]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def automations_in(database: Path) -> set[str]:
    with closing(apsw.Connection(str(database))) as db:
        return {str(row[0]) for row in db.execute("SELECT id FROM automations")}


def name_standby(site: Site) -> str:
    """Have the server tell its workers of another address, and return that."""
    url = f"https://127.0.0.1:{free_port()}"
    assert site.server.process.stop() == 0
    site.start("--standby-worker-url", url)
    wait_until(lambda: site.worker.knows(url), 60, "the worker to have learned of the standby")
    return url


def test_a_standby_takes_over_from_a_server_that_is_killed_with_its_machine(
    site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "replica"
    folder.mkdir()
    site.installation.push(TEMPLATE.replace("sleep 0.1", "sleep 1"))  # for two hundred of them
    site.installation.worker("w2", None, "--slots", str(AUTOMATIONS))
    standby_url = name_standby(site)
    with replicated(site, folder) as replication:
        site.do_documented("opsicle backup /var")
        known = [site.run(go=str(site.go)) for _ in range(AUTOMATIONS)]
        wait_until(lambda: all(map(site.ran, known)), 300, "all of them to run")

        def is_replicated() -> bool:
            copy, database = tmp_path / "copy.db", site.data / "opsicle.db"
            return replica_of(folder, database, copy) and set(known) <= automations_in(copy)

        wait_until(is_replicated, 60, "what was acknowledged to be replicated")
        last = [site.run() for _ in range(LAST)]
        site.server.process.kill()
        replication.kill()

    shutil.rmtree(site.data)
    began_at = time.monotonic()
    site.do_documented("opsicle restore /var/backups/opsicle.age --data-dir")
    site.litestream, site.litestream_config = litestream(), folder / "litestream.yml"
    site.do_documented("rm -f", GUIDE)
    for database in ("opsicle.db", "logs.db"):
        command = f"litestream restore -config /etc/litestream.yml -o /var/lib/opsicle/{database}"
        site.do_documented(command, GUIDE)
    there = automations_in(site.data / "opsicle.db")
    site.server.known |= {"worker_url": standby_url}
    facts = site.start("--accept-restored")
    assert time.monotonic() - began_at < 60

    assert (facts["held"], facts["epoch"], facts["worker_url"]) == (True, 2, standby_url)
    site.go.touch()
    assert set(known) <= there
    (entry,) = site.record("accept_restored")
    assert entry["data"]["epoch"] == 2
    lost = [each for each in last if each not in there and site.ran(each)]
    wait_until(
        lambda: (
            {f"automations/{each}" for each in lost}
            <= {entry["resource"] for entry in site.record("report_unknown_automation")}
        ),
        60,
        "what was lost to be named",
    )
    site.installation.admin.cli("orgs", "release-queue")
    for each in (*known, *last):
        if each in there:
            site.wait_for(each, "succeeded", "cancelled")
    site.wait_for(site.run(), "succeeded")
    assert {site.ran(each) for each in known} == {1}
    assert max(site.ran(each) for each in last) <= 1
