"""Moving an org from one server in this process to another, and comparing what both show."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.errors import OpsicleError
from opsicle.kit.clock import SystemClock
from opsicle.security.age_files import DecryptingReader, EncryptingWriter
from opsicle.security.age_keys import Passphrase
from opsicle.server.backups.archive import STATE, ArchiveWriter, OrgHead, read_members
from opsicle.server.org_moves.export import OrgExport
from opsicle.server.org_moves.importing import OrgImport, OrgImportOptions, OrgImportReport
from opsicle.server.store import org_copies, orgs, suspensions
from opsicle.server.store.suspensions import SuspensionRow
from opsicle.wire.jobs import Outcome
from opsicle.wire.worker_api import Enrolment, FinishRequest
from tests.api.authenticator_app import App
from tests.api.backing_up import KEY
from tests.api.route_bodies import QUERIES
from tests.api.route_walk import MAY, Things, filled
from tests.api.running_server import ADMINS, ApiServer, Client

ALICE = ADMINS["acme"]
ELSEWHERE = {
    "GET /api/v1/automations/<automation_id>/events", "GET /api/v1/events",  # streams
    "GET /api/v1/audit/key", "GET /api/v1/ca", "GET /api/v1/enrol",
    "GET /api/v1/audit", "GET /api/v1/audit/export", "GET /api/v1/audit/verify",
    "GET /api/v1/workers", "GET /api/v1/approvals",  # of those in service, of what waits
    "GET /api/v1/usage",
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
    "templates: runs.state",
    "automations: keys.is_own",
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
    app: App
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


def stand(api_server: ApiServer, row: SuspensionRow) -> None:
    """Suspend acme, or let it go on."""

    def work(db: Any) -> None:
        org = orgs.find_by_code(db, "acme")
        assert org is not None
        suspensions.put(db, org.id, row)

    api_server.state.write(work)
    api_server.services.sessions.invalidate()


def take(
    content: bytes, folder: Path, *, links: bool = False, key: Passphrase = KEY
) -> OrgImportReport:
    options = OrgImportOptions(links_accounts=links)
    return OrgImport(folder, SystemClock(), lambda _: None, options).run(io.BytesIO(content), key)


@contextmanager
def served(folder: Path) -> Iterator[ApiServer]:
    with closing(ApiServer(folder)) as api_server:
        yield api_server


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


def files_of(folder: Path) -> set[str]:
    kept = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(path) for path in kept if "marker" not in str(path) and "-" not in path.name}


def refused(content: bytes, to: Path, match: str, **more: Any) -> OpsicleError:
    """See that an import says why it fails, and leaves nothing. Return what it says."""
    rows, files = rows_of(to), files_of(to)
    with pytest.raises(OpsicleError, match=match) as refusal:
        take(content, to, **more)
    assert (rows_of(to), files_of(to)) == (rows, files)
    return refusal.value


def changed(
    content: bytes, change: Callable[[Path], None], folder: Path, name: str = STATE, **head: Any
) -> bytes:
    """Return an export whose state, or head, was changed by somebody who knows the passphrase."""
    target = io.BytesIO()
    encrypted = EncryptingWriter(target, KEY)
    archive = ArchiveWriter(encrypted)
    for member in read_members(DecryptingReader(io.BytesIO(content), KEY)):
        inner = member.content.read()
        if member.name == name:
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
    """Return a change that no trigger forbids."""

    def change(database: Path) -> None:
        with org_copies.draft(database) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute(statement)

    return change


def nothing(_: Path) -> None:
    pass
