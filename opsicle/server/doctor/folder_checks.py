"""What a data folder says of its server: keys, certificates, schema, backups, workers."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from opsicle.domain.clocks import duration_text
from opsicle.domain.errors import Conflict, OpsicleError
from opsicle.domain.problems import first_names
from opsicle.server import last_backup
from opsicle.server.contents.content_store import relative_path
from opsicle.server.data_folder import find_running, require_server_folder
from opsicle.server.doctor.findings import Diagnosis, Level, ok, problem, warning
from opsicle.server.doctor.key_checks import check_keys
from opsicle.server.doctor.machine_checks import check_machine
from opsicle.server.keys.key_files import check_private, key_files
from opsicle.server.store import audit, contents, epochs, migrations, orgs, whole_fleet
from opsicle.server.store.database import Connection
from opsicle.server.store.inspection import open_untouched
from opsicle.server.store.integrity import readable
from opsicle.server.store.workers import WorkerRow
from opsicle.version import __version__

_MIB = 1024**2
_LARGE_WAL_BYTES = 64 * _MIB
_CA_WARNING, _CA_PROBLEM = timedelta(days=365), timedelta(days=60)
_UNSEEN = timedelta(days=1)
_AHEAD = timedelta(seconds=60)
_MOST_NAMED = 5


def examine(folder: Path, now: datetime) -> list[Diagnosis]:
    """Look at a data folder and its machine; a server may run on it meanwhile.

    A check that cannot be made is a problem of its own. Raises InvalidInput for a folder that is no
    server's.
    """
    require_server_folder(folder)
    state = folder / "opsicle.db"
    running = find_running(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.db"))
    checks: list[tuple[str, Callable[[], Iterable[Diagnosis]]]] = [
        ("machine", lambda: check_machine(folder, size, running.pid if running else 0)),
        ("server", lambda: [_server(running is not None)]),
        ("permissions", lambda: _permissions(folder)),
        ("certificates", lambda: [_authority(folder, now)]),
        ("backup", lambda: [_backup(folder, now)]),
        ("write-ahead log", lambda: _write_ahead_logs(folder)),
        ("logs", lambda: _logs(folder)),
        ("database", lambda: _database(state, now)),
    ]
    return [finding for name, check in checks for finding in _made(name, check)]


def _made(name: str, check: Callable[[], Iterable[Diagnosis]]) -> list[Diagnosis]:
    try:
        return list(check())
    except OpsicleError as error:
        return [problem(name, error.message, error.hint)]
    except FileNotFoundError as error:
        lost = Path(str(error.filename)).name
        return [problem(name, f"{lost} is missing", "Put it back from the last backup.")]
    except OSError as error:
        return [
            problem(
                name, f"cannot be looked at: {error}", "Run this as the server's user, or root."
            )
        ]
    except ValueError as error:
        return [problem(name, f"cannot be understood: {error}", "Restore from the last backup.")]


def _server(is_running: bool) -> Diagnosis:
    if is_running:
        return ok("server", "runs")
    return warning("server", "does not run", "Start it: systemctl start opsicle-server.")


def _permissions(folder: Path) -> Iterator[Diagnosis]:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        yield problem(
            "permissions", f"{folder} can be entered by others (mode {mode:04o})",
            f"chmod 700 {folder}",
        )  # fmt: skip
    check_private(key_files(folder))
    yield ok("permissions", "keys are the server's alone")


def _authority(folder: Path, now: datetime) -> Diagnosis:
    pem = (folder / "authority.pem").read_bytes()
    ends_at = x509.load_pem_x509_certificate(pem).not_valid_after_utc
    message = f"the server's CA ends on {ends_at:%Y-%m-%d}"
    if ends_at - now > _CA_WARNING:
        return ok("certificates", message)
    how = problem if ends_at - now < _CA_PROBLEM else warning
    return how("certificates", message, "Plan a new server: all workers are to be enrolled anew.")


def _backup(folder: Path, now: datetime) -> Diagnosis:
    at = last_backup.made_at(folder)
    if at is None:
        return problem(
            "backup", "there was none", "docs/operations/backup-and-restore.md: every night."
        )
    message = last_backup.age_text(at, now)
    if last_backup.is_late(at, now):
        return problem("backup", message, "See why: systemctl status opsicle-backup.")
    return ok("backup", message)


def _write_ahead_logs(folder: Path) -> Iterator[Diagnosis]:
    for path in sorted(folder.glob("*.db-wal")):
        size = path.stat().st_size
        message = f"{path.name} has {size // _MIB} MiB"
        if size > _LARGE_WAL_BYTES:
            yield warning(
                "write-ahead log", message,
                "Something reads the database for long: a backup into a pipe that hangs, a tool of "
                "your own. End it.",
            )  # fmt: skip
        else:
            yield ok("write-ahead log", message)


def _logs(folder: Path) -> Iterator[Diagnosis]:
    path = folder / "logs.db"
    try:
        with readable(path), closing(open_untouched(path)) as db:
            db.pragma("user_version")
    except Conflict:
        yield problem(
            "logs", "logs.db is missing or damaged: the next start begins with empty logs",
            "Look at the disk's health (smartctl, dmesg); put the file back from the last backup.",
        )  # fmt: skip
    if lost := sorted(path.name for path in folder.glob("logs.db.damaged-*")):
        yield warning(
            "logs", f"logs were damaged and set aside: {first_names(lost, _MOST_NAMED)}",
            "Look at the disk's health (smartctl, dmesg); then remove these files.",
        )  # fmt: skip


def _database(state: Path, now: datetime) -> Iterator[Diagnosis]:
    migrations.check_sqlite()
    with readable(state), closing(open_untouched(state)) as db:
        schema, known = int(db.pragma("user_version")), migrations.newest_schema()
        if schema != known:
            yield _other_schema(schema, known)
            return
        yield ok("database", f"schema {schema}, as this program has it ({__version__})")
        yield from check_keys(state.parent, db)
        yield from _queue(db)
        yield from _time_of_record(db, now)
        yield from _workers(db, now)
        yield _files(state.parent, db)


def _other_schema(schema: int, known: int) -> Diagnosis:
    if schema == 0:
        return problem("database", "opsicle.db is empty", "Restore the last backup.")
    if schema > known:
        return problem(
            "database", f"it has schema {schema}, newer than this program's {known}",
            "Use the newer program again, or restore a backup from before the upgrade.",
        )  # fmt: skip
    return warning(
        "database", f"it has schema {schema}; this program brings it to {known} at its next start",
        "See what that does: opsicle upgrade --check.",
    )  # fmt: skip


def _files(folder: Path, db: Connection) -> Diagnosis:
    names = [str(relative_path(row.org_id, row.sha256)) for row in contents.list_all(db)]
    missing = [name for name in names if not (folder / "artifacts" / name).exists()]
    if not missing:
        return ok("files", f"all {len(names)} that automations left or were given are there")
    return problem(
        "files", f"{len(missing)} of {len(names)} are missing: {first_names(missing, _MOST_NAMED)}",
        "Copy them into artifacts/ from an older backup, or from what was copied beside a replica.",
    )  # fmt: skip


def _queue(db: Connection) -> Iterator[Diagnosis]:
    if reason := epochs.find_hold(db):
        yield warning(
            "queue", reason, "Look at what waits, then release it: opsicle orgs release-queue."
        )


def _time_of_record(db: Connection, now: datetime) -> Iterator[Diagnosis]:
    newest = max(
        (
            entry.at
            for org_id in (*orgs.list_ids(db), "")
            for entry in audit.list_entries(db, org_id, audit.AuditFilter(), 2**62, 1)
        ),
        default=now,
    )
    if newest - now > _AHEAD:
        yield problem(
            "clock",
            f"the newest entry of the record is {duration_text((newest - now).total_seconds())} "
            "ahead of this machine's clock",
            "Set the clock, or wait: nothing that is due by time happens before.",
        )


def _workers(db: Connection, now: datetime) -> Iterator[Diagnosis]:
    rows = list(whole_fleet.in_service(db))
    others = [f"{_name(row)} ({row.version})" for row in rows if row.version != __version__]
    ended = [_name(row) for row in rows if row.certificate_expires_at <= now]
    unseen = [
        _name(row) for row in rows if row.last_seen_at is None or now - row.last_seen_at > _UNSEEN
    ]
    copied = [_name(row) for row in rows if row.copied_from]

    yield ok("workers", f"{len(rows)} in service")
    for found, level, message, hint in (
        (others, Level.WARNING, "of another version than this program",
         "Upgrade them after the server; one version behind works."),
        (ended, Level.PROBLEM, "with a certificate that has ended", "Enrol them anew."),
        (unseen, Level.WARNING, "not seen for a day",
         "Start them, or `opsicle workers revoke` those that are gone."),
        (copied, Level.PROBLEM, "with an identity that somebody else uses too",
         "Revoke it, and enrol each machine by itself."),
    ):  # fmt: skip
        if found:
            yield Diagnosis(
                "workers", level, f"{len(found)} {message}: {first_names(found, _MOST_NAMED)}", hint
            )


def _name(row: WorkerRow) -> str:
    return f"{row.org_code}/{row.name}" if row.org_code else row.name
