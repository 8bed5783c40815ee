"""An org that moves to another server has there what it had, and nothing of it runs by itself."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.errors import Conflict, NotFound, OpsicleError
from opsicle.kit.clock import SystemClock
from opsicle.security.age_files import DecryptingReader, EncryptingWriter
from opsicle.security.age_keys import Passphrase
from opsicle.security.audit_key import AuditPublicKey
from opsicle.server.backups.archive import STATE, ArchiveWriter, OrgHead, read_members
from opsicle.server.org_moves import importing
from opsicle.server.org_moves.export import OrgExport
from opsicle.server.org_moves.importing import OrgImport, OrgImportOptions, OrgImportReport
from opsicle.server.store import migrations, org_tables, secrets
from opsicle.wire.audit import Checkpoint
from opsicle.wire.jobs import Outcome
from opsicle.wire.worker_api import Enrolment, FinishRequest
from tests.api.backing_up import KEY, back_up
from tests.api.backing_up import refused as refused_restore
from tests.api.route_walk import MAY, QUERIES, Things, filled, prepare
from tests.api.running_server import ADMINS, ApiServer, Client

ALICE = ADMINS["acme"]
ELSEWHERE = {
    "GET /api/v1/automations/<automation_id>/events", "GET /api/v1/events",  # streams
    "GET /api/v1/audit/key", "GET /api/v1/ca", "GET /api/v1/enrol",
    "GET /api/v1/audit", "GET /api/v1/audit/export", "GET /api/v1/audit/verify",
    "GET /api/v1/workers", "GET /api/v1/approvals",  # of those in service, of what waits
    "GET /api/v1/orgs", "GET /api/v1/whoami", "GET /api/v1/sessions",
    "GET /api/v1/join-tokens", "GET /api/v1/invitations", "GET /api/v1/can",
}  # fmt: skip
"""What is the server's own, a stream, or looked at by itself below."""


AT_REST = {
    *(f"automations: items.{field}" for field in ("state", "explanation", "finished_at")),
    "automations: items.waiting_reason",
    *(f"channels: {field}" for field in ("is_enabled", "open_deliveries")),
    *(f"channels: items.{field}" for field in ("is_enabled", "open_deliveries")),
    *(
        f"deliveries: {place}{field}"
        for field in ("state", "finished_at", "last_error", "next_attempt_at")
        for place in ("", "items.")
    ),
    *("recent-runs: items.runs.state", "recent-runs: items.runs.seconds"),
    *("schedules: state", "schedules: items.state"),
    "templates: runs.state",
    "tokens: items.last_used_at",
    *("workers: state", "approvals: workers"),
}
"""What documents say otherwise after a move: what was not over is, and nothing goes out."""

SECRET = "correct horse"


class Moved(NamedTuple):
    """An export of acme, with what its server had shown of it before."""

    content: bytes
    things: Things
    shown: dict[str, Any]
    token: str
    folder: Path
    ran: str
    begun: set[str]


def carry_out(api_server: ApiServer, worker: Enrolment) -> list[str]:
    """Let a worker take all that waits, end the first of it and begin the second; their ids."""
    actor, works = api_server.poll(worker, slots=10)
    jobs, lines = api_server.services.jobs, b"restarted\n"
    for work in works[:2]:
        jobs.start(actor, work.job_id, work.fence)
    end = FinishRequest(
        fence=works[0].fence,
        outcome=Outcome(state=JobState.SUCCEEDED, phases=()),
        log_bytes=len(lines),
        chunks=((0, 0, 1, 0, lines),),
    )
    jobs.finish(actor, works[0].job_id, end)
    return [work.automation_id for work in works]


def paths(things: Things) -> list[str]:
    """Return the addresses of all that an org's admin can look at."""
    keys = (key for key in MAY if key.startswith("GET /api/v1/") and key not in ELSEWHERE)
    found = [filled(key.removeprefix("GET "), things) + QUERIES.get(key, "") for key in keys]
    return [path for path in found if "/server" not in path]


def looked_at(client: Client, things: Things) -> dict[str, Any]:
    found = {path: client.get(path) for path in paths(things)}
    return {path: (each.status, each.content) for path, each in found.items()}


def export(folder: Path, org: str = "acme", *, again: bool = False) -> bytes:
    target = io.BytesIO()
    made = OrgExport(folder, SystemClock(), lambda _: None)
    report = made.write(org, target, KEY, again=again)
    made.note_done(report)
    assert report.bytes == len(target.getvalue())
    return target.getvalue()


def take(
    content: bytes, folder: Path, *, links: bool = False, key: Passphrase = KEY
) -> OrgImportReport:
    options = OrgImportOptions(links_accounts=links)
    return OrgImport(folder, SystemClock(), lambda _: None, options).run(io.BytesIO(content), key)


@contextmanager
def served(folder: Path) -> Iterator[ApiServer]:
    with closing(ApiServer(folder)) as api_server:
        yield api_server


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory, prepared_folder: Path) -> Moved:
    """Return an org with one of everything, exported while its server runs."""
    folder = tmp_path_factory.mktemp("from") / "data"
    shutil.copytree(prepared_folder, folder)
    with served(folder) as api_server:
        things = prepare(api_server, "acme", ALICE, "restart-web")
        prepare(api_server, "globex", ADMINS["globex"], "restart-web")
        alice = api_server.session(ALICE)
        approved = alice.post(f"/api/v1/approvals/{things['approval_id']}/approve", {})
        assert approved.status == 200, approved.content
        alice.post("/api/v1/automations", {"template": "restart-web"})
        ran, *begun = carry_out(api_server, api_server.worker("acme", "runner"))
        for template in ("restart-web", "restart-web-asks"):
            made = alice.post("/api/v1/automations", {"template": template})
            assert made.status == 201, made.content
        token = alice.post("/api/v1/tokens", {"name": "program"}).json["token"]
        content = export(folder)
        shown = looked_at(api_server.client(token), things)
    return Moved(content, things, shown, token, folder, ran, set(begun))


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """Return the data folder of another server, which has an org and people of its own."""
    folder = tmp_path / "to"
    with served(folder) as api_server:
        token = api_server.setup_token()
        body = {"token": token, "org": "initech", "email": "ines@example.com",
                "password": "correct horse battery staple"}  # fmt: skip
        assert api_server.client().post("/api/v1/setup", body).status == 200
    return folder


def fields_of(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Return every field of a document, by its path without numbers."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from fields_of(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for inner in value:
            yield from fields_of(inner, place)
    else:
        yield place, repr(value)


def differences(path: str, before: bytes, after: bytes) -> set[str]:
    """Return the fields of a document that say something else after the move."""
    if before == after:
        return set()
    one, other = (Counter(fields_of(json.loads(each))) for each in (before, after))
    noun = path.removeprefix("/api/v1/").partition("/")[0].partition("?")[0]
    return {f"{noun}: {field}" for field, _ in (one - other) + (other - one)}


def rows_of(folder: Path) -> dict[str, int]:
    """Return how many rows each table has, but for what a start notes of itself."""
    counts = {}
    for name in ("opsicle.db", "logs.db"):
        with closing(apsw.Connection(str(folder / name))) as db:
            tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            for (table,) in tables:
                counts[str(table)] = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[index]
    return {table: count for table, count in counts.items() if table != "settings"}


def test_all_that_an_org_has_is_shown_alike_by_the_other_server(moved: Moved, to: Path) -> None:
    report = take(moved.content, to)

    with served(to) as api_server:
        shown = looked_at(api_server.client(moved.token), moved.things)
    assert {path: status for path, (status, _) in shown.items()} == {
        path: status for path, (status, _) in moved.shown.items()
    }
    found = {
        each
        for path, (_, after) in shown.items()
        for each in differences(path, moved.shown[path][1], after)
    }
    assert found == AT_REST
    assert (report.org, report.linked, report.missing) == ("acme", (), ())


def test_nothing_of_it_runs_by_itself_and_what_is_run_there_runs_once(
    moved: Moved, to: Path
) -> None:
    report = take(moved.content, to)

    with served(to) as api_server:
        alice = api_server.client(moved.token)
        states = {
            each["id"]: each["state"] for each in alice.get("/api/v1/automations").json["items"]
        }
        assert {states[each] for each in moved.begun} == {"unknown"}
        assert set(report.unknown) == moved.begun
        assert states[moved.ran] == "succeeded"
        assert len(report.cancelled) == 2
        assert {states[each] for each in report.cancelled} == {"cancelled"}
        assert alice.get("/api/v1/approvals").json["items"] == []
        assert alice.get("/api/v1/workers").json["items"] == []

        worker = api_server.worker("acme", "here")
        assert api_server.poll(worker)[1] == ()
        made = alice.post("/api/v1/automations", {"template": "restart-web"})
        (work,) = api_server.poll(worker)[1]
        assert work.automation_id == made.json["id"]

        sealed = api_server.state.read(secrets.list_sealed)
        assert [api_server.services.core.vault.open_secret(row) for row in sealed] == [SECRET]


def test_its_record_goes_on_under_the_new_key_from_where_the_old_one_signed(
    moved: Moved, to: Path
) -> None:
    take(moved.content, to)
    with served(moved.folder) as api_server:
        before = api_server.session(ALICE, "acme").get("/api/v1/audit/export").content.splitlines()
        key = AuditPublicKey.load(api_server.services.core.audit_key.public.pem)

    with served(to) as api_server:
        alice = api_server.client(moved.token)
        verdict = alice.get("/api/v1/audit/verify").json
        (entry,) = alice.get("/api/v1/audit?verb=import_org").json["items"]
        ends = [
            alice.get(f"/api/v1/audit?verb={verb}&actor=import").json["items"]
            for verb in ("cancel", "lose")
        ]
        after = alice.get("/api/v1/audit/export").content.splitlines()

    assert verdict["is_intact"], verdict
    assert entry["data"]["audit_key"] == key.pem
    signed = msgspec.convert(entry["data"]["checkpoint"], Checkpoint)
    assert key.has_signed(verdict["chain"], signed)
    assert entry["seq"] == signed.seq + 1
    assert [len(items) for items in ends] == [2, 2]
    old = [line for line in before if b'"type":"entry"' in line][: signed.seq]
    assert old == [line for line in after if b'"type":"entry"' in line][: signed.seq]


def files_of(folder: Path) -> set[str]:
    kept = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(path) for path in kept if "marker" not in str(path) and "-" not in path.name}


def refused(content: bytes, to: Path, match: str, **more: Any) -> OpsicleError:
    """See that an import says why it fails, and leaves nothing. Return what it says."""
    with served(to):
        pass
    rows, files = rows_of(to), files_of(to)
    with pytest.raises(OpsicleError, match=match) as refusal:
        take(content, to, **more)
    assert (rows_of(to), files_of(to)) == (rows, files)
    return refusal.value


def changed(content: bytes, change: Callable[[Path], None], folder: Path, **head: Any) -> bytes:
    """Return an export whose state, or head, was changed by somebody who knows the passphrase."""
    target = io.BytesIO()
    encrypted = EncryptingWriter(target, KEY)
    archive = ArchiveWriter(encrypted)
    for member in read_members(DecryptingReader(io.BytesIO(content), KEY)):
        inner = member.content.read()
        if member.name == STATE:
            (folder / "changed").write_bytes(inner)
            change(folder / "changed")
            inner = (folder / "changed").read_bytes()
        if member.name == "org.json" and head:
            inner = msgspec.json.encode(
                msgspec.structs.replace(msgspec.json.decode(inner, type=OrgHead), **head)
            )
        archive.add_bytes(member.name, inner)
    archive.close()
    encrypted.finish()
    return target.getvalue()


def sql(statement: str) -> Callable[[Path], None]:
    def change(database: Path) -> None:
        with closing(apsw.Connection(str(database))) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            triggers = db.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
            ).fetchall()
            for (name,) in triggers:
                db.execute(f"DROP TRIGGER {name}")
            db.execute(statement)

    return change


def nothing(_: Path) -> None:
    pass


def test_what_is_no_whole_export_or_has_more_than_an_org_in_it_is_refused_and_leaves_nothing(
    moved: Moved, to: Path, tmp_path: Path
) -> None:
    content, half = moved.content, len(moved.content) // 2
    flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    foreign = "UPDATE memberships SET org_id = '" + "0" * 26 + "'"
    edited = "UPDATE audit_entries SET actor_name = 'mallory' WHERE seq = 2"

    refused(content[:half], to, "cut short or altered")
    refused(flipped, to, "cut short or altered")
    refused(content, to, "does not open", key=Passphrase("another one"))
    refused(back_up(moved.folder), to, "a server's backup")
    refused(changed(content, sql(foreign), tmp_path), to, "another org|damaged")
    refused(changed(content, sql(edited), tmp_path), to, "entry 2 was altered")
    newer = {"schema": migrations.newest_schema() + 1, "version": "9.9.9"}
    refused(changed(content, nothing, tmp_path, **newer), to, "a newer Opsicle, 9.9.9")
    refused_restore(content, tmp_path / "restored", "one org's export")

    assert take(changed(content, nothing, tmp_path), to).org == "acme"


def test_an_import_that_fails_in_its_last_step_leaves_nothing_and_can_be_made_again(
    moved: Moved, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Conflict("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(importing.audit, "append", fail)
        refused(moved.content, to, "the disk is gone")

    assert take(moved.content, to).org == "acme"


def test_an_org_comes_once(moved: Moved, to: Path, tmp_path: Path, prepared_folder: Path) -> None:
    take(moved.content, to)
    shutil.copytree(prepared_folder, tmp_path / "twin")

    refused(moved.content, to, "on this server already")
    refused(moved.content, moved.folder, "on this server already")
    with served(tmp_path / "twin") as api_server:
        other = api_server.actor(ALICE).org_id
    assert other  # the folder that all tests begin with holds the very same org
    refused(moved.content, tmp_path / "twin", "on this server already")
    with pytest.raises(Conflict, match="was exported before"):
        export(moved.folder)
    assert export(moved.folder, again=True)
    with pytest.raises(NotFound, match="no org initech"):
        export(moved.folder, "initech")


def test_another_org_of_the_same_code_is_left_alone(moved: Moved, to: Path) -> None:
    with served(to) as api_server:
        api_server.found("acme", "someone@example.com")

    refused(moved.content, to, "another org of this server has the code acme")


def test_whoever_has_an_account_there_is_somebody_else_until_told(moved: Moved, to: Path) -> None:
    with served(to) as api_server:
        api_server.found("umbrella", ALICE)
    assert "--link-accounts" in refused(moved.content, to, f"have accounts here: {ALICE}").hint

    report = take(moved.content, to, links=True)

    assert report.linked == (ALICE,)
    with served(to) as api_server:
        session = api_server.session(ALICE, "acme")
        me = session.get("/api/v1/whoami").json
        (ran,) = [
            each
            for each in session.get("/api/v1/automations").json["items"]
            if each["id"] == moved.ran
        ]
        assert (me["role"], me["user"]["email"]) == ("admin", ALICE)
        assert ran["requester"]["email"] == ALICE
        assert ran["requester"]["id"] != me["user"]["id"]
        made = session.post("/api/v1/automations", {"template": "restart-web"})
        assert made.status == 201, made.content


def test_every_table_comes_along_or_is_left_behind_for_a_reason(tmp_path: Path) -> None:
    for name, folder in (("s", migrations.STATE_MIGRATIONS), ("l", migrations.LOG_MIGRATIONS)):
        migrations.migrate(tmp_path / name, folder)
    tables = set()
    for name in ("s", "l"):
        with closing(apsw.Connection(str(tmp_path / name))) as db:
            query = (
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
            tables |= {str(table) for (table,) in db.execute(query)}

    decided = [
        org_tables.STATE_TABLES, org_tables.PROOF_TABLES, org_tables.LOG_TABLES,
        org_tables.LEFT_BEHIND, {org_tables.USERS: ""},
    ]  # fmt: skip
    assert sorted(name for each in decided for name in each) == sorted(tables)
    assert all(org_tables.LEFT_BEHIND.values())
