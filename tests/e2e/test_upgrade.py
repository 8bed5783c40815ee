"""A data folder of an earlier build, with every kind of row in it, under this one.

The earlier build is the last one whose database calls those who run the server provider admins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.api.slack_api import slack_api
from tests.e2e.conftest import Use
from tests.e2e.full_server import OPTIONS, SECRET, FullServer
from tests.product import Installation
from tests.support import wait_until
from tests.thin_api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.packaging, pytest.mark.timeout(300)]

BEFORE = "10e21d686f8c7bdd0ed80a9db62f366aab53ad3f"

TAKES_A_WEEK = {
    "audit_checkpoint_gaps": "checkpoints are thinned out when they are a week old",
    "removals": "nothing is removed that ended within a week",
}
"""The tables that stay empty here, and why."""

LISTS = (
    "users", "groups", "roles", "service-accounts", "tokens", "templates", "policies", "secrets",
    "channels", "channel-kinds", "preferences", "chat-links", "invitations", "orgs", "sessions",
    "workers?all=true", "automations", "approvals?whose=all", "templates/plain/versions",
)  # fmt: skip

OF_THE_MOMENT = {
    "busy", "clock_offset_seconds", "formats", "idle_expires_at", "is_connected", "last_seen_at",
    "last_used_at", "open_deliveries", "waiting_reason",
}  # fmt: skip
"""What lists show that no database holds, or that each request changes."""

RENAMED = {
    "policies.gates": "gate_names",
    "roles.members": "member_count",
    "secrets.environment": "environment_variable",
    "workers?all=true.version": "program_version",
}
"""What was shown under another name then."""


@pytest.fixture
def full(tmp_path: Path, old: Path, use: Use) -> Iterator[FullServer]:
    """Run a server of the earlier build, and fill its database."""
    use(old)
    with slack_api() as slack, Installation(tmp_path, server_options=OPTIONS) as installation:
        full = FullServer(installation, slack, tmp_path)
        try:
            full.fill()
            yield full
        finally:
            full.go_on.touch()  # or the job that waits for it would outlive a test that failed


def _empty_tables(data: Path) -> set[str]:
    db = apsw.Connection(str(data / "opsicle.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = [
            name for (name,) in db.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]  # fmt: skip
        return {
            table for table in tables
            if not db.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}")').get
        }  # fmt: skip
    finally:
        db.close()


def _shown(full: FullServer, api: Api) -> dict[str, Any]:
    """Return what every list shows, and every automation's log."""
    lists = {path: _items(api, path) for path in LISTS}
    ids = full.automations.values()
    return lists | {"logs": [api.request("GET", f"/api/v1/automations/{id_}/log") for id_ in ids]}


def _items(api: Api, path: str) -> list[dict[str, Any]]:
    items = api.json("GET", f"/api/v1/{path}")["items"]
    return [
        {key: value for key, value in item.items() if key not in OF_THE_MOMENT} for item in items
    ]


def _lost(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """Return where something that was shown before is not shown now. There may be more now."""
    if isinstance(before, dict):
        for key, value in before.items():
            place = re.sub(r"\[\d+\]", "", f"{at}.{key}").removeprefix(".")
            yield from _lost(value, after.get(RENAMED.get(place, key)), f"{at}.{key}")
    elif isinstance(before, list) and before and isinstance(before[0], dict):
        yield from _lost_of_list(before, after, at)
    elif at.endswith(".built_in_rules"):
        yield from (f"{at}: {rule}" for rule in set(before) - set(after))
    elif before != after:
        yield f"{at}: {before!r} before, {after!r} now"


def _lost_of_list(before: list[Any], after: list[Any], at: str) -> Iterator[str]:
    if at == ".preferences":  # there may be more messages of which to choose
        after = [each for each in after if not all(any(_lost(one, each)) for one in before)]
    if len(before) != len(after):
        yield f"{at}: {len(before)} before, {len(after)} now"
    for i, (one, other) in enumerate(zip(before, after, strict=False)):
        yield from _lost(one, other, f"{at}[{i}]")


def _operators_are_kept(full: FullServer) -> None:
    alice = full.installation.admin
    operators = {each["email"] for each in alice.json("orgs", "server-operators")}
    assert operators == {"alice@example.com", "dave@example.com"}
    assert [each["name"] for each in alice.json("workers", "list", "--shared")] == ["shared"]
    assert {each["code"] for each in full.dave.json("orgs", "list", "--all")} == {"acme", "globex"}


def test_everything_in_a_full_database_of_an_earlier_build_works_after_the_upgrade(
    full: FullServer, new: Path, use: Use
) -> None:
    server = full.installation.server
    with Api(full.access(full.session)) as api:
        before = _shown(full, api)
    data = server.folder / "data"
    wait_until(lambda: "audit_heads" not in _empty_tables(data), what="the record to be signed")
    empty = _empty_tables(data)
    server.process.stop()

    use(new)
    server.start()

    assert empty == set(TAKES_A_WEEK)
    assert all(before.values())
    with Api(full.access(full.session)) as api:
        assert list(_lost(before, _shown(full, api))) == []

        # What waited for an approval gets it, and runs; so does what was queued.
        half, asked = full.approval(api, "half-approved"), full.approval(api, "asked")
        full.erin.cli("approvals", "approve", half, "--totp", full.erin.app.recovery_codes.pop())
        full.dave.cli("approvals", "approve", asked)
        full.lab_worker.start()

        # The job that has been running all the while ends.
        full.go_on.touch()
        went_on = ("running", "queued", "approved", "half-approved", "asked")
        for name in went_on:
            full.wait_for(api, name, "succeeded")

        # What is new is as it was: another worker, another run, sealed values and secrets.
        full.site_worker.process.stop()
        full.site_worker.start()
        full.run(api, "new", "plain")
        full.wait_for(api, "new", "succeeded")

    notes = set(full.notes.read_text().splitlines())
    assert notes >= {f"{name} {SECRET} hunter2-{name}" for name in (*went_on, "new")}
    full.installation.admin.cli("audit", "verify")
    with Api(full.access(full.token)) as program:
        assert program.json("GET", "/api/v1/whoami")["user"]["email"] == "alice@example.com"
    _operators_are_kept(full)
