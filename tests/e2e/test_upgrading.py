"""An upgrade and the way back, by the commands of the guide, from the build before this version.

The worker stays one version behind meanwhile, with a job that runs all the while.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Use
from tests.e2e.restored_sites import Site
from tests.product import CHECKOUT, Installation, Process
from tests.support import SCALE, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.packaging,
    pytest.mark.timeout(300),
    pytest.mark.skipif(SCALE <= 1, reason="25 s of CPU, for two versions: OPSICLE_TEST_SCALE=2"),
]

BEFORE = "0666a347ca6d51dfb577936d1a7100d262df0797"
"""A commit of which a release could have been made: its schema is older, its formats are not."""

GUIDE = (CHECKOUT / "docs/operations/checking-and-upgrading.md").read_text()


def test_the_guide_leads_to_the_new_version_and_back_while_jobs_run(
    tmp_path: Path, old: Path, new: Path, use: Use
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    shutil.copy(old, programs / "opsicle")
    shutil.copy(new, programs / "opsicle.new")
    use(programs / "opsicle")
    also = {
        "opsicle.new upgrade": f"{sys.executable} {programs}/opsicle.new upgrade",
        "opsicle.old restore": f"{sys.executable} {programs}/opsicle.old restore",
        "/var/lib/opsicle-before": tmp_path / "before",
        "/usr/local/bin": programs,
    }
    with Installation(tmp_path / "place") as installation:
        site = Site(installation, tmp_path)
        site.note_ports()
        running = site.run(go=str(site.go))
        wait_until(lambda: site.ran(running), 60, "the job to run")
        (worker,) = installation.admin.json("workers", "list")
        old_version = worker["version"]

        plan = site.do_documented("opsicle.new upgrade --check", GUIDE, also)
        assert "0060_display_preferences" in plan
        assert f"1 of {old_version}" in plan
        site.do_documented("opsicle backup /var/backups/opsicle.age", GUIDE)
        site.do_documented("cp -p /usr/local/bin/opsicle", GUIDE, also)
        site.do_documented("mv /usr/local/bin/opsicle.new", GUIDE, also)
        assert site.server.process.stop() == 0
        site.start()

        # The older worker goes on with what it has, and takes more.
        site.go.touch()
        site.wait_for(running, "succeeded")
        meanwhile = site.run()
        site.wait_for(meanwhile, "succeeded")
        (worker,) = installation.admin.json("workers", "list")
        assert worker["program_version"] == old_version
        site.worker.process.stop()
        site.worker.start()
        after = site.run()
        site.wait_for(after, "succeeded")

        # The older program refuses, and names the way back.
        assert site.server.process.stop() == 0
        use(programs / "opsicle.old")
        refusal = refused(site)
        assert "newer" in refusal
        assert "restore" in refusal or "backup" in refusal or "Start the version" in refusal
        site.do_documented("opsicle.old restore", GUIDE, also)
        shutil.rmtree(site.data)
        (tmp_path / "before").rename(site.data)
        facts = site.start()

        assert facts["held"]
        installation.admin.cli("orgs", "release-queue")
        again = site.run()
        site.wait_for(again, "succeeded")
    assert [site.ran(each) for each in (running, meanwhile, after, again)] == [1, 1, 1, 1]


def refused(site: Site) -> str:
    """Return what the older program says that does not start on the newer state."""
    program, *arguments = site.server.process.arguments[1:]
    command = [sys.executable, f"{program}.old", *arguments]
    process = Process(command, site.server.folder, "refused")
    try:
        assert process.popen.wait(60) == 5, process.log()
    finally:
        process.kill()
    return process.log()
