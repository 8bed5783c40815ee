"""A man in the middle of a real server and a real worker, with all keys but that for orders.

Nothing of his is run.

The judge is a file to which everything that runs appends its name. What the worker refuses stands
in the org's record.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsicle.security.order_key import OrderKey
from opsicle.wire.jobs import Work
from tests.intercepting_proxy import InterceptingProxy
from tests.product import Installation, Worker
from tests.support import SCALE, free_port, seeded_random, wait_until
from tests.thin_api import Api
from tests.worker.hostile_jobs import BETWEEN, UNKNOWN_SIGNERS, Site
from tests.worker.test_hostile_servers import SECRET_VALUES, TEMPLATE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

COUNT = max(60, int(60 * SCALE))
BATCH = 20
NOT_THE_KEY = OrderKey.create()


class Tampering:
    """What becomes of the work on its way, by chance but each kind in its turn.

    Honest work passes as it is.
    """

    def __init__(self, judge: Path) -> None:
        self._rng = seeded_random()
        self._judge = judge
        self._kinds = [*BETWEEN.items(), *UNKNOWN_SIGNERS.items()]
        self._rng.shuffle(self._kinds)
        self._lock = threading.Lock()
        self.passed: list[Work] = []
        self.forged: list[tuple[str, Work]] = []
        self.replayed = 0

    def __call__(self, works: tuple[Work, ...]) -> tuple[Work, ...]:
        with self._lock:
            given: dict[str, Work] = {}
            for work in works:
                given.setdefault(*self._instead(work))
            if (
                works
                and len(self.passed) > 2
                and (again := self._rng.choice(self.passed)).job_id not in given
            ):
                given[again.job_id] = again
                self.replayed += 1
            return tuple(given.values())

    def _instead(self, work: Work) -> tuple[str, Work]:
        if work.environment["OPSICLE_VAR_WHO"].startswith("honest"):
            self.passed.append(work)
            return work.job_id, work
        what, tamper = self._kinds[len(self.forged) % len(self._kinds)]
        others = [other for other in self.passed if other.automation_id != work.automation_id]
        elsewhere = [
            other for other in others if other.requester != work.requester
        ]  # the other org's, if there is one
        other = self._rng.choice(elsewhere or others)
        spoilt = tamper(Site(work, other, NOT_THE_KEY, self._rng, str(self._judge)))
        self.forged.append((what, spoilt))
        return spoilt.job_id, spoilt


class Stage:
    """One worker behind the middleman, and the orgs that it serves. A context."""

    def __init__(
        self, folder: Path, proxy: InterceptingProxy, installation: Installation, *, is_shared: bool
    ) -> None:
        self.judge, self.proxy = folder / "judge", proxy
        self.proxy.alter = self.tampering = Tampering(self.judge)
        self.orgs = {"acme": Api(installation.access())}
        if is_shared:
            installation.admin.cli("orgs", "create", "globex")
            installation.admin.cli("orgs", "switch", "globex")
            self.orgs["globex"] = Api(installation.access())
        for org, api in self.orgs.items():
            api.json("PATCH", f"/api/v1/orgs/{org}", {"allows_shared_workers": is_shared})
            api.json("POST", "/api/v1/secrets", {"name": "db-password", "value": "hunter22"})
            api.json("POST", "/api/v1/templates", {"source": TEMPLATE.format(judge=self.judge)})
        token = installation.admin.json("workers", "token", *(["--shared"] if is_shared else []))[
            "token"
        ]
        self.worker: Worker = installation.join("w", token, None, "--slots", str(BATCH))

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for api in self.orgs.values():
            api.__exit__()

    def run(self, org: str, name: str) -> str:
        values = {"who": name, "pin-code": "swordfish"}
        return str(
            self.orgs[org].json(
                "POST", "/api/v1/automations", {"template": "rotate", "values": values}
            )["id"]
        )

    def ends(self, org: str, ids: list[str]) -> dict[str, Any]:
        """Return the automations when all are over."""

        def look() -> dict[str, Any]:
            shown = [self.orgs[org].json("GET", f"/api/v1/automations/{id_}") for id_ in ids]
            is_over = all(each["state"] not in ("queued", "running") for each in shown)
            return {each["id"]: each for each in shown} if is_over else {}

        return wait_until(look, 60, f"the end of what {org} runs")

    def refusals_in_record(self, org: str) -> list[Any]:
        found, cursor = [], ""
        while True:
            query = f"?verb=refuse_order&limit=100{f'&cursor={cursor}' if cursor else ''}"
            page = self.orgs[org].json("GET", f"/api/v1/audit{query}")
            found += page["items"]
            cursor = page.get("next_cursor") or ""
            if not cursor:
                return found


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[InterceptingProxy]:
    proxy = InterceptingProxy(tmp_path)
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("is_shared", [False, True], ids=["own", "shared"])
def test_of_what_a_man_in_the_middle_alters_nothing_is_executed(
    tmp_path: Path, proxy: InterceptingProxy, is_shared: bool
) -> None:
    real = f"127.0.0.1:{free_port()}"
    options = ("--worker-listen", real, "--worker-url", f"https://127.0.0.1:{proxy.port}")
    with Installation(tmp_path / "place", server_options=options) as installation:
        proxy.stand_before(f"https://{real}", installation.server.folder / "data")
        with Stage(tmp_path, proxy, installation, is_shared=is_shared) as stage:
            check(stage)


def check(stage: Stage) -> None:
    """Honest work first, then what is altered, then honest work again.

    Just the honest is carried out.
    """
    honest = {org: [stage.run(org, f"honest-{org}-{n}") for n in range(3)] for org in stage.orgs}
    for org, ids in honest.items():
        assert {each["state"] for each in stage.ends(org, ids).values()} == {"succeeded"}

    forged: dict[str, list[str]] = {org: [] for org in stage.orgs}
    while len(stage.tampering.forged) < COUNT:
        for org, ids in forged.items():
            ids.extend(
                [
                    stage.run(org, f"forged-{org}-{len(ids) + n}")
                    for n in range(BATCH // len(forged))
                ]
            )
        for org, ids in forged.items():
            stage.ends(org, ids[-BATCH:])

    for org, ids in forged.items():
        shown = stage.ends(org, ids)
        assert {each["state"] for each in shown.values()} == {"cancelled"}
        assert all("refused to run it" in each["explanation"] for each in shown.values())
        record = stage.refusals_in_record(org)
        assert sorted(entry["resource"] for entry in record) == sorted(
            f"automations/{id_}" for id_ in ids
        )
        assert {entry["actor_kind"] for entry in record} == {"worker"}
    assert len(stage.proxy.refused) >= COUNT
    assert {what for what, _ in stage.tampering.forged} == {*BETWEEN, *UNKNOWN_SIGNERS}
    assert stage.tampering.replayed >= 3
    said = "".join(stage.proxy.refused) + stage.worker.process.log()
    assert not [value for value in SECRET_VALUES if value in said]

    for org in stage.orgs:
        last = stage.run(org, f"honest-{org}-last")
        assert stage.ends(org, [last])[last]["state"] == "succeeded"
    names = {f"honest-{org}-{n}" for org in stage.orgs for n in (0, 1, 2, "last")}
    assert sorted(stage.judge.read_text().split()) == sorted(names)
