"""The record of who did what."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.access.actor import SystemActor
from opsicle.server.store import audit
from tests.api.running_server import PASSWORD, ApiServer


def test_the_way_in_is_recorded_with_who_came_from_where(api_server: ApiServer) -> None:
    anonymous = api_server.client()
    anonymous.address = "203.0.113.9"
    anonymous.post("/api/v1/login", {"email": "alice@example.com", "password": "wrong"})
    alice = api_server.login("alice@example.com")
    alice.post("/api/v1/tokens", {"name": "ci"})

    entries = alice.get("/api/v1/audit").json["items"]

    brief = [
        (entry["verb"], entry["actor_kind"], entry["actor_name"], entry["address"])
        for entry in entries
    ]
    assert brief == [
        ("create", "user", "alice@example.com", "127.0.0.1"),
        ("login", "user", "alice@example.com", "127.0.0.1"),
        ("refuse_login", "anonymous", "alice@example.com", "203.0.113.9"),
        ("setup", "anonymous", "alice@example.com", "127.0.0.1"),
    ]
    assert PASSWORD not in str(entries)


def test_the_record_comes_newest_first_in_pages(api_server: ApiServer) -> None:
    alice, org_id = (
        api_server.session("alice@example.com"),
        api_server.actor("alice@example.com").org_id,
    )

    def work(db: object) -> None:
        for n in range(5):
            audit.append(
                db, api_server.clock.now(), org_id, SystemActor(), "test", f"things/{n}", {"n": n}
            )

    api_server.state.write(work)
    seen, cursor = [], ""
    while True:
        page = alice.get(f"/api/v1/audit?limit=2&cursor={cursor}").json
        seen += [entry["resource"] for entry in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen[:5] == [f"things/{n}" for n in (4, 3, 2, 1, 0)]


def test_an_org_sees_only_its_own_record(api_server: ApiServer) -> None:
    api_server.person("globex", "greta", BuiltInRole.OPERATOR).post("/api/v1/workers/tokens", {})
    gina = api_server.session("gina@example.com").get("/api/v1/audit").content
    alice = api_server.session("alice@example.com").get("/api/v1/audit").content
    assert b"greta" in gina
    assert b"greta" not in alice


def test_what_is_undone_is_not_recorded(api_server: ApiServer) -> None:
    alice = api_server.session("alice@example.com")
    before = alice.get("/api/v1/audit").json
    assert alice.delete("/api/v1/users/alice@example.com").status == 409
    assert alice.delete("/api/v1/templates/absent").status == 404
    assert alice.get("/api/v1/audit").json == before


def test_an_entry_never_changes(api_server: ApiServer) -> None:
    with pytest.raises(Exception, match="an audit entry never changes"):
        api_server.state.write(lambda db: db.execute("UPDATE audit_entries SET verb = 'x'"))
