"""A server that is killed amid its work and restored from a backup, again and again."""

from __future__ import annotations

import io
import random
import shutil
from typing import Any

import pytest

from opsicle.kit.clock import SystemClock
from opsicle.security.age_keys import Passphrase
from opsicle.server.backups.backup import EVERYTHING, Backup
from opsicle.server.backups.restore import Restore, RestoreOptions
from tests.e2e.restored_sites import Site
from tests.support import SCALE, wait_until
from tests.thin_api import Api

KILLS = max(2, round(2 * SCALE))
"""OPSICLE_TEST_SCALE=10 makes them 20."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240 + 20 * KILLS)]

SLOTS, MOST = 3, 8
"""How many the worker runs at once, and the most automations before a backup, and after it."""

OVER = {"succeeded", "cancelled"}
KEY = Passphrase("correct horse battery", work_factor=4)


def backed_up(site: Site) -> io.BytesIO:
    target = io.BytesIO()
    Backup(site.data, SystemClock(), lambda _: None).write(target, KEY, EVERYTHING)
    target.seek(0)
    return target


def restore(site: Site, backup: io.BytesIO) -> dict[str, Any]:
    """Kill the server, lose its folder, and start it from a backup."""
    site.server.process.kill()
    shutil.rmtree(site.data)
    Restore(site.data, SystemClock(), lambda _: None, RestoreOptions()).run(backup, KEY)
    return site.start()


def automations(site: Site) -> list[dict[str, Any]]:
    with Api(site.access) as api:
        return list(api.retry("GET", "/api/v1/automations?limit=200")["items"])


def test_whatever_is_lost_by_restores_nothing_runs_twice_and_no_number_names_two_things(
    site: Site, seed: random.Random
) -> None:
    named: set[tuple[int, int, str]] = set()
    for kill in range(1, KILLS + 1):
        go = site.go.with_name(f"go-{kill}")
        known = [site.run(go=str(go)) for _ in range(seed.randint(SLOTS + 1, MOST))]
        backup = backed_up(site)
        for _ in range(seed.randint(1, MOST)):
            site.run(go=seed.choice(("/", str(go))))
        if kill % 2:  # what waits in the backup runs before the server is killed
            go.touch()
            waits = seed.choice(known[SLOTS:])
            wait_until(lambda waits=waits: site.ran(waits), what="one that waited to run")
        named |= entries(site)

        facts = restore(site, backup)
        site.installation.admin.cli("orgs", "release-queue")
        go.touch()

        assert (facts["held"], facts["epoch"]) == (True, kill + 1)
        wait_until(
            lambda: {each["state"] for each in automations(site)} <= OVER,
            what="all that the server knows to be over",
        )
        for each in automations(site):
            times = site.ran(each["id"])
            assert times <= 1
            assert each["state"] == "cancelled" or times == 1, each
        fresh = site.wait_for(site.run(), "succeeded")
        assert fresh["jobs"][0]["fence"] > kill << 32

    ran = site.judge.read_text().split()
    assert len(ran) == len(set(ran))
    named |= entries(site)
    assert len({(epoch, seq) for epoch, seq, _ in named}) == len(named)


def entries(site: Site) -> set[tuple[int, int, str]]:
    return {(each["epoch"], each["seq"], each["at"]) for each in site.record("")}
