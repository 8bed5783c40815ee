"""Makes a long history in no time: automations with jobs, approvals and a chained record.

    .venv/bin/python -m bench.history_generator DATA_FOLDER COUNT

The server must be set up and stopped. All of it is older than whatever the server makes, and ended:
a list that is narrowed to what is rare finds it at the far end, which is where a scan takes
longest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import apsw

from opsicle.domain.audit_chain import chain_of, entry_hash
from opsicle.server.store.audit import head

TEMPLATES, PEOPLE = 20, 10
APPROVED_EVERY = 4
"""One automation in so many had an approval."""

_NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT :count) "
_ID = "printf('00{kind}%023d', i)"
_AT = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1700000000 + i, 'unixepoch')"
_AUTOMATION, _JOB, _APPROVAL = (_ID.format(kind=kind) for kind in "ajp")
_TEMPLATE = f"(1 + i % {TEMPLATES})"
_REQUESTER = f"'past-user-' || CASE WHEN i <= 5 THEN 1 ELSE 2 + i % ({PEOPLE} - 1) END"
_DIGEST = "0" * 64

_STATEMENTS = (
    f"""
    INSERT INTO users (id, email, name, password_hash, created_at)
    {_NUMBERS}
    SELECT 'past-user-' || i, 'past' || i || '@example.com', 'Past ' || i, '-', {_AT}
      FROM n
     WHERE i <= {PEOPLE}
    """,
    f"""
    INSERT INTO memberships (org_id, user_id, role, created_at)
    {_NUMBERS}
    SELECT :org_id, 'past-user-' || i, 'operator', {_AT}
      FROM n
     WHERE i <= {PEOPLE}
    """,
    f"""
    INSERT INTO templates (id, org_id, name, latest_version, created_at, updated_at)
    {_NUMBERS}
    SELECT 'past-template-' || i, :org_id, 'past-' || i, 1, {_AT}, {_AT}
      FROM n
     WHERE i <= {TEMPLATES}
    """,
    f"""
    INSERT INTO template_versions (org_id, template_id, version, digest, source, document,
                                   pushed_by, pushed_at)
    {_NUMBERS}
    SELECT :org_id, 'past-template-' || i, 1, '-', 'source',
           json_object('name', 'past-' || i, 'phases', json('[]')), 'past-user-1', {_AT}
      FROM n
     WHERE i <= {TEMPLATES}
    """,
    """
    INSERT INTO workers (id, org_id, name, state, labels, runtimes, slots, version, boot_id,
                         certificate_serial, certificate_expires_at, created_at)
    VALUES ('past-worker', :org_id, 'past-worker', 'revoked', '{}', '[]', 1, '', '',
            '', '2030', '2020')
    """,
    f"""
    INSERT INTO automations (id, org_id, template_id, template, version, values_json, requirements,
                             on_worker_lost, state, fence, job_id, requester_id, reason,
                             manifest_digest, exit_code, created_at, queued_at, started_at,
                             finished_at)
    {_NUMBERS}
    SELECT {_AUTOMATION}, :org_id, 'past-template-' || {_TEMPLATE}, 'past-' || {_TEMPLATE}, 1,
           printf('{{"service": "nginx", "host": "web-%d"}}', i % 100),
           '{{"image_phase":"","labels":{{}},"runtimes":["subprocess"]}}', 'unknown',
           CASE WHEN i <= 3 THEN 'expired'
                WHEN i <= 60 THEN 'timed_out'
                WHEN i % 50 = 0 THEN 'failed'
                WHEN i % 97 = 0 THEN 'cancelled'
                ELSE 'succeeded' END,
           1, {_JOB}, {_REQUESTER}, 'because of ticket ' || i, '{_DIGEST}', 0, {_AT}, {_AT}, {_AT},
           {_AT}
      FROM n
    """,
    f"""
    INSERT INTO jobs (id, org_id, automation_id, worker_id, fence, state, phases, exit_code,
                      leased_at, started_at, finished_at)
    {_NUMBERS}
    SELECT {_JOB}, :org_id, {_AUTOMATION}, 'past-worker', 1, 'succeeded', '[]', 0,
           {_AT}, {_AT}, {_AT}
      FROM n
    """,
    f"""
    INSERT INTO approvals (id, org_id, automation_id, state, policy_id, policy_name, policy_version,
                           policy_digest, policy, manifest_digest, requester_id, asked_at, ended_at)
    {_NUMBERS}
    SELECT {_APPROVAL}, :org_id, {_AUTOMATION},
           CASE WHEN i <= 3 THEN 'expired' ELSE 'approved' END, '', 'four-eyes', 1,
           '-', '{{"gates":[]}}', '{_DIGEST}', {_REQUESTER}, {_AT}, {_AT}
      FROM n
     WHERE i <= 3 OR (i % {APPROVED_EVERY} = 0 AND i % {TEMPLATES} <> 0)
    """,
    """
    INSERT INTO approval_decisions (approval_id, gate, user_id, org_id, principal, verdict, reason,
                                    with_mfa, elapsed_seconds, decided_at)
    SELECT id, 'boss', 'past-user-2', org_id, 'past-user-2', 'approve', 'fine', 0, 10, asked_at
      FROM approvals
     WHERE state = 'approved' AND id < '00q'
    """,
)

_INSERT_ENTRY = """
    INSERT INTO audit_entries
    VALUES (?, ?, ?, 'user', 'past-user-1', 'past1@example.com', 'cli', '127.0.0.1', ?, ?, '{}', ?)
"""


def fill(database: Path, count: int) -> None:
    """Give the first org of a stopped server's database a history of `count` automations."""
    db = apsw.Connection(str(database))
    try:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -400000")
        org_id = str(next(iter(db.execute("SELECT id FROM orgs ORDER BY id LIMIT 1")))[0])

        with db:
            for statement in _STATEMENTS:
                db.execute(statement, {"org_id": org_id, "count": count})
            db.executemany(_INSERT_ENTRY, _entries(db, org_id, count))

        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()


def _entries(db: apsw.Connection, org_id: str, count: int) -> list[tuple[object, ...]]:
    """Return audit entries that go on where the chain ends, as `_INSERT_ENTRY` takes them."""
    seq, previous = head(db, org_id)
    chain = chain_of(org_id)
    author = ("user", "past-user-1", "past1@example.com", "cli", "127.0.0.1")
    at, verb = "2026-01-01T00:00:00.000000Z", "run"

    made: list[tuple[object, ...]] = []
    for number in range(1, count + 1):
        seq += 1
        resource = f"automations/00a{number:023d}"
        previous = entry_hash(chain, previous, (seq, at, *author, verb, resource, "{}"))
        made.append((org_id, seq, at, verb, resource, bytes.fromhex(previous)))

    return made


if __name__ == "__main__":
    fill(Path(sys.argv[1]) / "opsicle.db", int(sys.argv[2]))
