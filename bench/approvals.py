"""How many automations a second are approved by one person and finished by one worker."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path

from bench import floors
from bench.figures import Figure
from bench.systems import NOTHING, template
from bench.throughput import CLIENTS, wait_ended, warm_up
from tests.product import Installation
from tests.thin_api import Access, Api

RUNS = 500
APPROVER = "bob@example.com"
POLICY = (
    f"approvalPolicy: {{spec: {{gates: [{{name: boss, approvers: {{users: [{APPROVER}]}}}}]}}}},"
)
APPROVED = template("approved", NOTHING, POLICY)

LEAST = 3
"""Round trips and commits of one automation: the approval, the worker's start and its finish."""

AIM = 0.1
"""Of the rate at which nothing but these and one start of a shell would be done, in sequence."""


@dataclass(frozen=True)
class _Share:
    """What one connection of the approver decides on."""

    access: Access
    approval_ids: list[str]


def approved_and_finished(installation: Installation, access: Access, folder: Path) -> list[Figure]:
    """Measure from the first approval to the last end.

    All automations wait for one approver from the beginning.
    """
    round_trip, commit = floors.tls_round_trip_ms(folder), floors.commit_ms(folder)
    fork = floors.median_ms(floors.forks())

    installation.push(APPROVED)
    approver = installation.access(installation.person(APPROVER, "approver"))
    api = Api(access)
    asked = [_ask(api) for _ in range(RUNS)]
    shares = [_Share(approver, asked[n::CLIENTS]) for n in range(CLIENTS)]

    with multiprocessing.get_context("spawn").Pool(CLIENTS) as pool:
        pool.map(warm_up, [approver] * CLIENTS)
        began = time.perf_counter()
        pool.map(_approve, shares)
        approved = time.perf_counter() - began
        wait_ended(api, "approved")
        seconds = time.perf_counter() - began

    rate = RUNS / seconds
    least = (LEAST * (round_trip + commit) + fork) / 1000
    how = (
        f"{AIM:.0%} of {LEAST} × (TLS round trip {round_trip:.2f} ms + commit {commit:.2f} ms)"
        f" + `sh -c true` {fork:.1f} ms; it is {rate * least:.0%};"
        f" approving alone {RUNS / approved:.0f}/s"
    )
    return [Figure("approved and finished, 500", rate, AIM / least, "/s", how, is_floor=True)]


def _ask(api: Api) -> str:
    made = api.json("POST", "/api/v1/automations", {"template": "approved"})
    if made["state"] != "awaiting_approval":
        raise RuntimeError(f"the automation does not wait for approval: it is {made['state']}")
    return str(made["approval_id"])


def _approve(share: _Share) -> None:
    api = Api(share.access)
    for approval_id in share.approval_ids:
        api.json("POST", f"/api/v1/approvals/{approval_id}/approve", {})
