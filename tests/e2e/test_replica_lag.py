"""A server says how far its standby's replica is behind, with the real Litestream."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.litestream import litestream
from tests.e2e.restored_sites import Site
from tests.e2e.test_standby import GUIDE, replicated
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ON_THE_SERVER, ON_THE_STANDBY = "opsicle doctor --data-dir /var", "opsicle doctor --replica /var"


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """Return a folder on a disk: `doctor` finds fault with a server's data in memory."""
    return disk_path


def lag(site: Site) -> float:
    shown = site.installation.look_at("server")["replica_lag_seconds"]
    assert shown is not None
    return float(shown)


def planned(site: Site) -> dict[str, Any]:
    """Return what the check before an upgrade says of Litestream."""
    plan = site.installation.admin.json("upgrade", "--check", "--data-dir", str(site.data))
    return dict(plan["litestream"])


def test_the_lag_grows_while_litestream_is_away_and_falls_once_it_is_back(
    site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "replica"
    folder.mkdir()
    admin, here = site.installation.admin, {"/var/replica": folder}
    site.do_documented("opsicle backup /var")
    assert site.server.process.stop() == 0
    site.start("--replica", str(folder))

    with replicated(site, folder):
        wait_until(lambda: lag(site) == 0, what="all to be replicated")
        said = site.do_documented(ON_THE_SERVER, GUIDE, here)
        assert "replica" in said
        assert "that of opsicle.db was written" in site.do_documented(ON_THE_STANDBY, GUIDE, here)
        site.litestream_config = folder / "litestream.yml"
        admin.environment["PATH"] = f"{litestream().parent}:{os.environ['PATH']}"
        wait_until(lambda: not planned(site)["is_behind"], what="Litestream to keep up")
        known = planned(site)
        assert (known["version"][:3], known["is_tested"]) == ("0.5", True)
        assert known["copied_at"]
        program = {"litestream ltx": f"{litestream()} ltx"}
        assert "created" in site.do_documented("litestream ltx", GUIDE, program)

    admin.cli("orgs", "create", "written-meanwhile")
    before = wait_until(lambda: lag(site), what="something to be missing")
    wait_until(lambda: lag(site) > before + 5, what="the lag to grow")
    assert planned(site)["is_behind"] is True
    checked = admin.attempt("doctor", "--data-dir", str(site.data), "--replica", str(folder))
    assert checked.returncode == 1
    assert "that of opsicle.db has nothing that was written after" in checked.stdout

    with replicated(site, folder):
        wait_until(lambda: lag(site) == 0, what="the lag to fall")
        site.do_documented(ON_THE_SERVER, GUIDE, here)
