"""A walk through pushes and decisions, and somebody who alters rows between its steps."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from opsicle.domain.errors import OpsicleError
from opsicle.kit.ids import new_id
from opsicle.server.store import approvals
from tests.services.approval_model import LIFETIME, Asked
from tests.services.approval_walk import Walk
from tests.services.tampering import digest_alike

SOFT = {
    "automations": {
        "created_at", "queued_at", "started_at", "finished_at", "approved_at", "exit_code",
        "explanation", "state", "fence", "job_id", "rerun_of", "cancel_requested_at",
        "cancel_requested_by", "turn", "concurrency_released_at", "not_before", "not_after",
        "started_by_kind", "started_by_name", "started_by_id", "depth", "resume_point",
    },
    "approvals": {
        "state", "next_at", "notified", "waiting_for", "ended_at", "explanation",
        "job_id", "phase", "fence", "mac",
    },
    "approval_decisions": {"org_id", "answer"},
    "sealed_values": {"wrapped_key", "ciphertext"},
}  # fmt: skip
"""Columns that say how far something has come, or how it is shown, or that only a pause has. Any
other may only lead to nothing running."""

STATES = {
    "automations": [
        "awaiting_approval",
        "queued",
        "running",
        "cancelled",
        "expired",
        "rejected",
        "succeeded",
    ],
    "approvals": ["pending", "approved", "rejected", "expired", "withdrawn"],
}
TEXTS = ["", "x", "{}", "[]", "0" * 64, '{"target":"other"}', '{"name":"p","gates":[]}']
TIMES = ["2000-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z", None]


class Column(NamedTuple):
    """One column of one row: `where` picks the row by the value of `key`."""

    table: str
    name: str
    kind: str
    where: str
    key: tuple[object, ...]


class TamperedWalk(Walk):
    """The walk, and somebody who has the database and no key."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        super().__init__(folder, rng)
        self._touched: set[tuple[object, ...]] = set()
        self._forget_triggers()

    def _forget_triggers(self) -> None:
        def work(db: apsw.Connection) -> None:
            for (name,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                db.execute(f'DROP TRIGGER "{name}"')

        self.team.core.database.write(work)

    def step(self) -> None:
        for _ in range(self.rng.choice([0, 0, 0, 1])):
            self.tamper()
        super().step()

    def tamper(self) -> None:
        """Do something to one of the newest automations, also to one that is over."""
        if not self.asked:
            return

        asked = self.rng.choice(self.asked[-6:])
        ways = {self.column: 6, self.put_back: 3, self.remove_approval: 1, self.remove_decision: 1}
        ways |= {
            self.make_decision: 2,
            self.copy: 1,
            self.swap: 1,
            self.requester: 1,
            self.policy: 1,
        }
        ways[self.alike] = 2

        way = self.rng.choices(list(ways), weights=list(ways.values()))[0]
        # What SQLite does not allow is no alteration.
        with suppress(apsw.Error, msgspec.MsgspecError, KeyError):
            way(asked)
            self.did[f"tamper: {way.__name__}"] += 1

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        def work(db: apsw.Connection) -> None:
            for sql, bindings in statements:
                db.execute(sql, bindings).fetchall()

        self.team.core.database.write(work)

    def _read(self, sql: str, *bindings: object) -> list[tuple[object, ...]]:
        return self.team.core.database.read(lambda db: db.execute(sql, bindings).fetchall())

    def column(self, asked: Asked) -> None:
        """Write another value into one column of one row."""
        column = self.rng.choice(self._columns(asked))
        if (column.table, column.name, *column.key) in self._touched:
            return  # not back to what it was

        value = self._value(column)
        before = self._read(
            f"SELECT {column.name} FROM {column.table} WHERE {column.where}", *column.key
        )
        if before in ([], [(value,)]):
            return

        self._write(
            (
                f"UPDATE {column.table} SET {column.name} = ? WHERE {column.where}",
                (value, *column.key),
            )
        )

        self._touched.add((column.table, column.name, *column.key))
        self._mark(asked, is_hard=column.name not in SOFT[column.table])
        for other in self.asked:  # to which the row belongs now
            if value and value in (other.automation.id, other.automation.approval_id):
                self._mark(other, is_hard=True)

    def _columns(self, asked: Asked) -> list[Column]:
        found = []
        automation = (asked.automation.id,)
        rows: list[tuple[str, str, tuple[object, ...]]] = [("automations", "id = ?", automation)]
        rows += [
            ("approvals", "automation_id = ?", key)
            for key in [automation]
            if self._approval_id(asked)
        ]

        sealed = "SELECT 1 FROM sealed_values WHERE automation_id = ?"
        rows += (
            [("sealed_values", "automation_id = ?", automation)]
            if self._read(sealed, *automation)
            else []
        )

        where = "approval_id = ? AND gate = ? AND user_id = ?"
        rows += [("approval_decisions", where, key) for key in self._decisions(asked)]

        for table, condition, key in rows:
            for _, name, kind, *_ in self._read(f"PRAGMA table_info({table})"):
                found.append(Column(table, str(name), str(kind), condition, key))
        return found

    def _value(self, column: Column) -> object:
        if column.name == "state":
            return self.rng.choice(STATES[column.table])
        if column.name == "notified":
            return self.rng.choice(["[]", '["ask:g"]'])
        if column.name.endswith("_at"):
            return self.rng.choice(TIMES)
        if column.name == "with_mfa":
            return self.rng.randrange(2)
        if column.kind == "INTEGER":
            return self.rng.choice([0, 1, 2, 3, 99])
        if column.kind == "BLOB":
            return self.rng.randbytes(60)

        others = [
            value for (value,) in self._read(f"SELECT DISTINCT {column.name} FROM {column.table}")
        ]
        people = [person.user_id for person in self.team.people.values()]
        return self.rng.choice(
            [*others, *(people if column.name.endswith(("_id", "principal")) else TEXTS)]
        )

    def put_back(self, asked: Asked) -> None:
        """Put it into the queue, as if it were approved and nothing had been done with it."""
        automation, approval = (asked.automation.id,), (asked.automation.approval_id,)

        self._write(
            ("UPDATE automations SET job_id = NULL WHERE id = ?", automation),
            ("DROP TRIGGER IF EXISTS orders_stay", ()),
            (
                "DELETE FROM orders WHERE job_id IN (SELECT id FROM jobs WHERE automation_id = ?)",
                automation,
            ),
            ("DELETE FROM jobs WHERE automation_id = ?", automation),
            (
                """
                UPDATE automations
                   SET state = 'queued', fence = 0, started_at = NULL, finished_at = NULL,
                       explanation = '', exit_code = NULL, cancel_requested_at = NULL
                 WHERE id = ?
                """,
                automation,
            ),
            ("UPDATE approvals SET state = 'approved', next_at = NULL WHERE id = ?", approval),
        )
        self._mark(asked, is_hard=False)

    def remove_approval(self, asked: Asked) -> None:
        """Remove its approval, and queue it as if nobody had to be asked."""
        approval_id = self._approval_id(asked)
        if approval_id:
            self._write(
                ("DELETE FROM approval_decisions WHERE approval_id = ?", (approval_id,)),
                ("DELETE FROM approvals WHERE id = ?", (approval_id,)),
                ("UPDATE automations SET state = 'queued' WHERE id = ?", (asked.automation.id,)),
            )
            self._mark(asked, is_hard=True)

    def remove_decision(self, asked: Asked) -> None:
        if asked.is_altered:
            return  # one that was made up could go again, and all would be well
        for key in self._decisions(asked)[:1]:
            where = "approval_id = ? AND gate = ? AND user_id = ?"
            self._write((f"DELETE FROM approval_decisions WHERE {where}", key))
            self._mark(asked, is_hard=True)

    def make_decision(self, asked: Asked) -> None:
        """Forge somebody's decision, with the code of another one if there is any."""
        approval_id = self._approval_id(asked)
        if not approval_id:
            return

        codes = [mac for (mac,) in self._read("SELECT mac FROM approval_decisions")]
        person = self.rng.choice(list(self.team.people.values())).user_id
        values = (
            approval_id, person, self.team.org_id, person,
            self.rng.choice(["approve", "approve", "reject"]),
            "2000-01-01T00:00:00.000000Z", self.rng.choice(["", *codes]),
        )  # fmt: skip

        self._write(
            (
                """
                INSERT INTO approval_decisions (approval_id, gate, user_id, org_id, principal,
                                                verdict, reason, with_mfa, elapsed_seconds,
                                                decided_at, mac)
                VALUES (?, 'g', ?, ?, ?, ?, 'so', 1, 0, ?, ?)
                """,
                values,
            )
        )
        self._mark(asked, is_hard=True)

    def copy(self, asked: Asked) -> None:
        """Copy the automation, queued, under an id of its own, with its approval or without."""
        names = [str(name) for _, name, *_ in self._read("PRAGMA table_info(automations)")]
        new = new_id(self.team.core.clock.now())
        given = {"id": "?", "state": "'queued'", "job_id": "NULL", "fence": "0"}
        columns = ", ".join(given.get(name, name) for name in names)
        sql = (
            f"INSERT INTO automations ({', '.join(names)})"
            f" SELECT {columns} FROM automations WHERE id = ?"
        )

        self._write((sql, (new, asked.automation.id)))

        if self.rng.randrange(2) and self._approval_id(asked):
            self._write(
                (
                    "UPDATE approvals SET automation_id = ? WHERE automation_id = ?",
                    (new, asked.automation.id),
                )
            )
            self._mark(asked, is_hard=True)

    def swap(self, asked: Asked) -> None:
        """Give it what binds another automation: digest, format, principal and code."""
        one = self.rng.choice(self.asked)
        other = one.automation.id
        if one is asked or one.is_altered:
            return

        names = ("manifest_digest", "manifest_format", "principal_id", "mac")
        taken = ", ".join(
            f"{name} = (SELECT {name} FROM automations WHERE id = ?)" for name in names
        )

        self._write(
            (
                f"UPDATE automations SET {taken} WHERE id = ?",
                (*([other] * len(names)), asked.automation.id),
            ),
            (
                """
                UPDATE approvals
                   SET manifest_digest = (SELECT manifest_digest FROM automations WHERE id = ?)
                 WHERE automation_id = ?
                """,
                (other, asked.automation.id),
            ),
        )
        self._mark(asked, is_hard=True)

    def requester(self, asked: Asked) -> None:
        """Make somebody else the requester, in every row: who did ask may then agree."""
        who = self.rng.choice([name for name in self.team.people if name != asked.by])
        user_id = self.team.people[who].user_id
        if ("requester", asked.automation.id) in self._touched:
            return
        self._touched.add(("requester", asked.automation.id))
        self._write(
            (
                "UPDATE automations SET requester_id = ? WHERE id = ?",
                (user_id, asked.automation.id),
            ),
            (
                "UPDATE approvals SET requester_id = ? WHERE automation_id = ?",
                (user_id, asked.automation.id),
            ),
        )
        self._mark(asked, is_hard=True)

    def policy(self, asked: Asked) -> None:
        """Loosen what was asked, and let its time have come."""
        if self._approval_id(asked):
            self._write(
                (
                    """
                    UPDATE approvals
                       SET policy = json_set(policy,
                               '$.gates[0].approvers', json('{"roles":["admin","operator"]}'),
                               '$.gates[0].allow_requester', json('true'),
                               '$.gates[0].required', 1),
                           next_at = '2000-01-01T00:00:00.000000Z'
                     WHERE automation_id = ?
                    """,
                    (asked.automation.id,),
                )
            )
            self._mark(asked, is_hard=True)

    def alike(self, asked: Asked) -> None:
        """Alter what is to run, and with it every digest that the database holds."""
        self._mark(asked, is_hard=True)
        # Under another id by now, or of a version that is not there, its digests stay.
        with suppress(OpsicleError):
            digest_alike(self.team, asked.automation)

    def _mark(self, asked: Asked, *, is_hard: bool) -> None:
        asked.is_disturbed = True
        asked.is_altered |= is_hard

    def _approval_id(self, asked: Asked) -> str:
        row = self.team.core.database.read(
            lambda db: approvals.find_of_automation(db, asked.automation.id)
        )
        return row.id if row else ""

    def _decisions(self, asked: Asked) -> list[tuple[object, ...]]:
        sql = "SELECT approval_id, gate, user_id FROM approval_decisions WHERE approval_id = ?"
        return self._read(sql, self._approval_id(asked))

    def wait(self) -> None:
        """Let time pass; all that is known of an altered one is that it does not come out late."""
        for asked in self.asked:
            is_late = self.now - asked.at >= LIFETIME and not asked.is_agreed
            asked.is_over |= asked.is_disturbed and is_late
        super().wait()
