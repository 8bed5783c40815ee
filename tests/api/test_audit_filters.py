"""The record is read by actor, verb, resource and time, and in pages."""

from __future__ import annotations

from typing import Any

import pytest

from opsicle.kit.clock import to_text
from opsicle.server.access.actor import SystemActor
from opsicle.server.store import audit
from tests.api.audit_changes import ALICE, write
from tests.api.running_server import ApiServer

FILTERS = {
    "verb=test": {"things/0", "things/1", "boxes/1"},
    "resource=things": {"things/0", "things/1"},
    "resource=things/1": {"things/1"},
    "resource=thing": set(),
    "actor=SERVER&verb=test": {"things/0", "things/1", "boxes/1"},
    "actor=nobody": set(),
    "verb=test&resource=boxes": {"boxes/1"},
    "verb=test,test,&resource=boxes": {"boxes/1"},
    "verb=login,test&resource=things": {"things/0", "things/1"},
}


@pytest.mark.parametrize("query", FILTERS)
def test_the_record_is_filtered(api_server: ApiServer, query: str) -> None:
    org_id = api_server.actor(ALICE).org_id

    def work(db: Any) -> None:
        for resource in ("things/0", "things/1", "boxes/1"):
            audit.append(db, api_server.clock.now(), org_id, SystemActor(), "test", resource)

    api_server.state.write(work)
    items = api_server.session(ALICE).get(f"/api/v1/audit?{query}").json["items"]
    found = [item["resource"] for item in items]
    assert set(found) == FILTERS[query]
    assert len(found) == len(FILTERS[query])


def test_the_record_is_filtered_by_time_and_in_pages(api_server: ApiServer) -> None:
    write(api_server, 3)
    api_server.clock.advance(hours=1)
    middle = to_text(api_server.clock.now())
    api_server.clock.advance(hours=1)
    write(api_server, 5)
    alice = api_server.session(ALICE)

    late = alice.get(f"/api/v1/audit?verb=test&since={middle}&limit=3").json
    assert len(late["items"]) == 3

    rest = alice.get(
        f"/api/v1/audit?verb=test&since={middle}&limit=3&cursor={late['next_cursor']}"
    ).json
    assert len(rest["items"]) == 2
    assert rest["next_cursor"] == ""

    assert len(alice.get(f"/api/v1/audit?verb=test&until={middle}").json["items"]) == 3
    assert alice.get("/api/v1/audit?since=0001-01-01T00:00:00%2B14:00").status == 400, (
        "before the calendar begins"
    )
    refused = alice.get("/api/v1/audit?since=yesterday")
    assert (refused.status, refused.json["errors"][0]["path"]) == (400, "query.since")


def test_what_stands_in_the_record_by_an_id_is_named(api_server: ApiServer) -> None:
    alice = api_server.actor(ALICE)
    resources = [f"users/{alice.user_id}", "users/nobody", "templates/web"]

    def work(db: Any) -> None:
        for resource in resources:
            audit.append(db, api_server.clock.now(), alice.org_id, SystemActor(), "name", resource)

    api_server.state.write(work)
    items = api_server.session(ALICE).get("/api/v1/audit?verb=name").json["items"]
    assert [item["about"] for item in reversed(items)] == [ALICE, "", ""]
    assert api_server.session(ALICE).get(f"/api/v1/audit?verb={'a,' * 20}").status == 400
