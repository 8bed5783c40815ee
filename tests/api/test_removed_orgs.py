"""An org that is deleted leaves nothing behind, and of others nothing goes."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.access.actor import SystemActor
from opsicle.server.operation import removal
from opsicle.server.store import audit, org_removals
from tests.api.route_walk import prepare
from tests.api.running_server import PASSWORD, ApiServer, Client

OF_THE_SERVER = {
    "authenticators",
    "login_attempts",
    "recovery_codes",
    "settings",
    "users",
}
"""Tables that are no org's. Of accounts that belong to no other org only an id is left in them."""

THROUGH = {"link_codes", "notice_preferences", "trigger_receipts"}
"""Tables that reach their org by a channel or a trigger."""

OF_JOBS = {"orders"}
"""Tables that go with jobs, which they refer to."""


def rows(api_server: ApiServer, org_id: str) -> dict[str, int]:
    """Return how many rows each table has of an org."""

    def query(db) -> dict[str, int]:
        names = db.execute(
            "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c"
            " ON c.name = 'org_id' WHERE m.type = 'table'"
        ).fetchall()
        counts = {
            name: db.execute(f"SELECT count(*) FROM {name} WHERE org_id = ?", (org_id,)).get
            for (name,) in names
        }
        for name in THROUGH:
            condition = org_removals._THROUGH[name]
            counts[name] = db.execute(
                f"SELECT count(*) FROM {name} WHERE {condition}", {"org_id": org_id}
            ).get
        return {name: count for name, count in counts.items() if count}

    return api_server.state.read(query)


def unreachable(api_server: ApiServer) -> list[tuple[object, ...]]:
    """Return rows that name something that is not there."""
    return api_server.state.read(lambda db: db.execute("PRAGMA foreign_key_check").fetchall())


def delete(alice: Client, **more: object) -> dict[str, object]:
    answer = alice.post("/api/v1/server/orgs/globex/delete", {"confirm": "globex", **more})
    assert answer.status == 200, answer.content
    return answer.json


@pytest.fixture
def globex(api_server: ApiServer) -> str:
    """Return the id of an org that has one of everything, beside one that has the same."""
    prepare(api_server, "acme", "alice@example.com", "restart-web")
    prepare(api_server, "globex", "gina@example.com", "globex-only")
    api_server.person("globex", "greg", BuiltInRole.MEMBER)
    orgs = [api_server.actor(f"{who}@example.com").org_id for who in ("alice", "gina")]
    for org_id in orgs:
        sql = "SELECT id FROM jobs WHERE org_id = ? LIMIT 1"
        job_id = api_server.state.read(lambda db, of=org_id, sql=sql: db.execute(sql, (of,)).get)
        api_server.services.job_logs.append(job_id, [(0, 0, 1, 0, b"said")], org_id=org_id)
    return orgs[1]


def test_every_table_is_of_orgs_or_known_to_be_the_servers(api_server: ApiServer) -> None:
    names = api_server.state.read(
        lambda db: db.execute(
            "SELECT m.name FROM sqlite_schema m WHERE m.type = 'table' AND NOT EXISTS"
            " (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'org_id')"
            " AND m.name NOT LIKE 'sqlite_%'"
        ).fetchall()
    )
    assert {name for (name,) in names} == OF_THE_SERVER | THROUGH | OF_JOBS | {"orgs"}


def test_a_deleted_org_is_gone_from_every_table_and_disk_and_others_are_as_before(
    api_server: ApiServer, alice: Client, globex: str
) -> None:
    acme = api_server.actor("alice@example.com").org_id
    there, folder = rows(api_server, globex), api_server.services.contents.folder
    assert len(there) > 25
    assert (folder / globex).is_dir()
    delete(alice, grace_days=0)
    others = rows(api_server, acme)

    assert api_server.services.org_removal.turn() == 1

    assert rows(api_server, globex) == {}
    assert rows(api_server, acme) == others
    assert unreachable(api_server) == []
    assert not (folder / globex).exists()
    assert any((folder / acme).rglob("*"))
    assert globex not in api_server.services.job_logs.usage()
    assert (_logs_of(api_server, globex), _logs_of(api_server, acme)) == (0, 2)
    assert [org["code"] for org in alice.get("/api/v1/server/orgs").json["items"]] == ["acme"]
    assert b"greg@example.com" not in _bytes(api_server)
    login = {"email": "gina@example.com", "password": "x", "kind": "cli"}
    assert api_server.client().post("/api/v1/login", login).status == 401
    assert [verb for verb, _ in _server_record(api_server)][-3:] == [
        "delete",
        "begin_removal",
        "remove",
    ]
    found = alice.post("/api/v1/orgs", {"code": "globex"})
    assert found.status == 201


def _logs_of(api_server: ApiServer, org_id: str) -> int:
    sql = (
        "SELECT (SELECT count(*) FROM job_logs WHERE org_id = :id)"
        " + (SELECT count(*) FROM segments WHERE org_id = :id)"
    )
    logs = api_server.services.core.logs
    return logs.read(lambda db: db.execute(sql, {"id": org_id}).get)


def _bytes(api_server: ApiServer) -> bytes:
    """Return what accounts hold."""
    return repr(
        api_server.state.read(lambda db: db.execute("SELECT * FROM users").fetchall())
    ).encode()


def _server_record(api_server: ApiServer) -> list[tuple[str, str]]:
    sql = "SELECT verb, resource FROM audit_entries WHERE resource = 'orgs/globex' AND org_id = ''"
    return api_server.state.read(lambda db: db.execute(sql).fetchall())


class _Crash(BaseException):
    pass


def test_a_server_that_dies_at_any_step_of_it_goes_on_where_it_was(
    api_server: ApiServer, alice: Client, globex: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete(alice, grace_days=0)
    deaths = 0
    while alice.get("/api/v1/server/orgs/globex").status == 200:
        steps = _steps_until_death(api_server, deaths % 3 + 1)
        monkeypatch.setattr(removal.gevent, "sleep", lambda _, steps=steps: next(steps))
        try:
            api_server.services.org_removal.turn()
        except _Crash:
            deaths += 1
            assert deaths < 200

    assert deaths > 5
    assert rows(api_server, globex) == {}
    assert unreachable(api_server) == []


def _steps_until_death(api_server: ApiServer, count: int) -> Iterator[None]:
    for _ in range(count):
        assert unreachable(api_server) == []  # else no server would start from there
        yield
    assert unreachable(api_server) == []
    raise _Crash


def test_what_its_people_and_senders_do_meanwhile_is_not_left_behind(
    api_server: ApiServer, alice: Client, globex: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete(alice, grace_days=0)
    visitor, answers, turns = api_server.client(), set[int](), itertools.count()
    late: list[str] = []

    def write_late(db) -> None:
        """Do what was under way as the removal began, into a table that it has left behind."""
        late.append("entry")
        audit.append(db, api_server.clock.now(), globex, SystemActor(), "lapse", "jobs/x")

    login = {"email": "gina@example.com", "password": PASSWORD, "kind": "cli", "org": "globex"}

    def visit(_: float) -> None:
        answers.add(visitor.post("/hooks/globex/globex-trigger", {}).status)
        if not late and "audit_entries" not in rows(api_server, globex):
            api_server.state.write(write_late)
        if next(turns) % 3 == 0:
            answers.add(visitor.post("/api/v1/login", login).status)
            answers.add(visitor.post("/api/v1/login", {**login, "password": "wrong"}).status)
            api_server.services.audit_checkpoints.sign_all()
            api_server.clock.advance(minutes=5)

    monkeypatch.setattr(removal.gevent, "sleep", visit)
    api_server.services.org_removal.turn()

    assert (answers, late) == ({404, 409, 401}, ["entry"])
    assert rows(api_server, globex) == {}
    assert unreachable(api_server) == []
    assert alice.get("/api/v1/server/orgs/globex").status == 404


def test_orgs_that_go_together_leave_what_is_shared_to_one_that_stays(
    api_server: ApiServer, globex: str
) -> None:
    def owners() -> list[tuple[str, int]]:
        sql = "SELECT DISTINCT org_id, is_shared FROM workers"
        return api_server.state.read(lambda db: db.execute(sql).fetchall())

    api_server.found("initech", "alice@example.com")
    alice = api_server.session("alice@example.com", "initech")
    stays = api_server.actor("alice@example.com", "initech").org_id
    share = "UPDATE workers SET is_shared = 1, name = id WHERE org_id = ?"
    api_server.state.write(lambda db: db.execute(share, (globex,)))
    for code in ("acme", "globex"):
        body = {"confirm": code, "grace_days": 0}
        assert alice.post(f"/api/v1/server/orgs/{code}/delete", body).status == 200

    assert api_server.services.org_removal.turn() == 2

    assert owners() == [(stays, 1)]


def test_an_org_whose_files_cannot_be_removed_holds_up_no_other(
    api_server: ApiServer, globex: str
) -> None:
    api_server.found("initech", "alice@example.com")
    alice = api_server.session("alice@example.com", "initech")
    acme = api_server.actor("alice@example.com", "acme").org_id
    folders = api_server.services.contents.folder
    for code in ("acme", "globex"):
        body = {"confirm": code, "grace_days": 0}
        assert alice.post(f"/api/v1/server/orgs/{code}/delete", body).status == 200
    first, second = sorted((acme, globex))
    shutil.rmtree(folders / first, ignore_errors=True)
    (folders / first).write_text("no folder")

    api_server.services.org_removal.turn()

    assert [row.org_id for row in api_server.state.read(org_removals.list_all)] == [first]
    assert rows(api_server, second) == {}

    (folders / first).unlink()
    api_server.services.org_removal.turn()
    assert api_server.state.read(org_removals.list_all) == []


def test_the_last_org_that_stays_is_not_deleted(
    api_server: ApiServer, alice: Client, globex: str
) -> None:
    delete(alice)
    api_server.found("initech", "alice@example.com")
    assert api_server.session("alice@example.com", "initech").post(
        "/api/v1/server/orgs/acme/delete", {"confirm": "acme"}
    ).status == 200  # fmt: skip

    answer = alice.post("/api/v1/server/orgs/initech/delete", {"confirm": "initech"})

    assert answer.status == 409
    assert b"the last one" in answer.content


def test_until_its_time_a_deleted_org_is_suspended_and_can_be_kept(
    api_server: ApiServer, alice: Client, globex: str
) -> None:
    gina = api_server.session("gina@example.com")
    shown = delete(alice)
    assert (shown["deletion_asked_by"], shown["suspended_at"]) != ("", None)

    api_server.services.org_removal.turn()
    assert gina.get("/api/v1/templates").status == 200
    assert "is deleted on" in gina.get("/api/v1/whoami").json["remarks"][0]
    pushed = gina.post("/api/v1/groups", {"name": "new"})
    assert (pushed.status, pushed.code) == (409, "suspended")
    run = gina.post("/api/v1/automations", {"template": "globex-only"})
    assert (run.status, run.code) == (409, "suspended")

    assert alice.post("/api/v1/server/orgs/globex/resume").status == 200
    api_server.clock.advance(days=30)
    api_server.services.org_removal.turn()
    gina = api_server.session("gina@example.com")
    assert gina.post("/api/v1/groups", {"name": "new"}).status == 201
    assert gina.get("/api/v1/whoami").json["remarks"] == []


def test_a_deletion_wants_the_code_typed_and_is_never_of_ones_own_org(
    alice: Client, globex: str
) -> None:
    answer = alice.post("/api/v1/server/orgs/globex/delete", {"confirm": "Globex"})
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "confirm")
    answer = alice.post("/api/v1/server/orgs/acme/delete", {"confirm": "acme"})
    assert answer.status == 409
