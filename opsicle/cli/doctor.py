"""`opsicle doctor`, and `opsicle upgrade`: what makes trouble, and what a new program changes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from opsicle.cli.backups import DEFAULT_DATA_DIR, ActivityLine, data_dir_option
from opsicle.cli.input_files import FolderName
from opsicle.cli.installed_units import find_installed
from opsicle.cli.invocation import current
from opsicle.cli.output import emit, print_json
from opsicle.cli.root import VerbCommand
from opsicle.cli.sessions import connect, current_session
from opsicle.cli.terminal import printable, say, styled
from opsicle.domain.clocks import duration_text, is_off, offset_text
from opsicle.domain.errors import OpsicleError, Unavailable, UsageError
from opsicle.kit.clock import SystemClock
from opsicle.wire.endpoints.server import READYZ
from opsicle.wire.endpoints.workers import LIST_WORKERS

if TYPE_CHECKING:
    from opsicle.server.doctor.findings import Diagnosis
    from opsicle.server.litestream import LitestreamReport

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_PROXY_HINT = "Look at the proxy's log; docs/operations/proxies.md has its settings."


@click.command(cls=VerbCommand)
@click.option(
    "--data-dir",
    metavar="D",
    type=FolderName(),
    help=f"The server's data folder; {DEFAULT_DATA_DIR} unless told, if that is there.",
)
@click.option(
    "--server",
    metavar="URL",
    help="Where people reach the server, through a proxy perhaps; asked whether it is ready.",
)
@click.option("--ca-file", metavar="FILE", type=Path, help="The CA of that URL's certificate.")
@click.option(
    "--replica",
    metavar="FOLDER",
    type=FolderName(),
    help="A standby's replica of the databases, on the server's machine or the standby's: how far "
    "it is behind.",
)
@click.option(
    "--ready", is_flag=True, help="Only whether the server takes requests, for a health check."
)
def doctor(
    data_dir: Path | None,
    server: str | None,
    ca_file: Path | None,
    replica: Path | None,
    *,
    ready: bool,
) -> str | None:
    """Look for what makes trouble later, and say what to do about it; exit code 1 if a problem is.

    On the server's machine, as its user or root: disk, file system, clock, permissions, the CA,
    schema, backup age, write-ahead log, workers. With --server: whether people reach it. With
    --replica: how old what a standby would begin with is. With a login: the clocks of the org's
    workers.
    """
    findings = list(_of_server(server, data_dir, ca_file))
    if ready and not findings:
        raise Unavailable(f"no server runs on {data_dir or DEFAULT_DATA_DIR}")
    if not ready:
        findings = [*_of_folder(data_dir), *findings, *_of_replica(replica, data_dir)]
        findings += _of_workers()
    if not findings:
        raise UsageError(
            "there is nothing to look at",
            hint="Give --data-dir on the server's machine, or --server or --replica, or log in.",
        )
    if current().wants_json:
        print_json(findings)
    else:
        _show(findings)
    if not ready and data_dir is None and not DEFAULT_DATA_DIR.exists():
        say(f"No data folder was looked at: there is no {DEFAULT_DATA_DIR}. --data-dir names one.")
    return "failed" if any(finding.level == "problem" for finding in findings) else None


@click.command(cls=VerbCommand)
@click.option("--check", is_flag=True, help="Only say what it would do.")
@data_dir_option
def upgrade(check: bool, data_dir: Path) -> str | None:
    """Say what a start of this program would change in a server's data folder, tried on a copy.

    Exit code 1 if something stands in its way: too little room, documents or automations of a form
    that this program does not take. The upgrade itself is a backup, the new file in the old one's
    place, and a restart. Workers may follow later. It also says whether the units that systemd has
    are those that this program prints, and which Litestream copies the state.
    """
    from opsicle.server.upgrade_check import check_upgrade

    if not check:
        raise UsageError(
            "give --check: nothing else is done by this command",
            hint="To upgrade: back up, put the new file in the old one's place, restart the "
            "server, then the workers.",
        )
    found = check_upgrade(data_dir, ActivityLine())
    others = [f"{count} of {version}" for version, count in found.workers.items()]
    units = list(find_installed())
    emit(
        {**msgspec.structs.asdict(found), "units": units},
        [
            ("this program", found.version),
            ("schema", f"{found.schema} → {found.new_schema}"),
            ("running", found.running or "no server that says its version"),
            ("migrations", ", ".join(found.migrations) or "none"),
            ("they took", f"{found.seconds:.1f} s on a copy, which is sound"),
            ("migrations of logs", ", ".join(found.log_migrations) or "none"),
            ("room", f"{_mib(found.needed_bytes)} at most, of {_mib(found.free_bytes)} free"),
            ("last backup", _backup_text(found.last_backup_at)),
            ("workers of other versions", ", ".join(others) or "none"),
            ("units of systemd", "; ".join(unit.text for unit in units)),
            ("Litestream", _litestream_text(found.litestream)),
            ("way back", "a backup from before: an older program refuses a newer schema"),
            ("in its way", "; ".join(found.obstacles) or "nothing"),
        ],
    )
    return "failed" if found.obstacles else None


def _mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"


def _backup_text(made_at: datetime | None) -> str:
    """Say how old a backup is, and that a new one comes first."""
    if made_at is None:
        return "none: make one first"
    age = duration_text(max(0.0, (SystemClock().now() - made_at).total_seconds()))
    return f"{age} old: make a new one first"


def _litestream_text(found: LitestreamReport | None) -> str:
    """Say which one it is, and whether it keeps up; nothing where none has ever run."""
    if found is None:
        return ""
    said = [found.version or "not on the path, so of an unknown version"]
    if found.version and not found.is_tested:
        said.append("not one with which the standby is tested")
    if found.copied_at is None:
        said.append("when it copied last cannot be read")
    else:
        age = duration_text(max(0.0, (SystemClock().now() - found.copied_at).total_seconds()))
        said.append(f"copied last {age} ago" + ", and lacks what came then" * found.is_behind)
    return "; ".join(said)


def _show(findings: list[Diagnosis]) -> None:
    """Print findings, each with what to do below it."""
    width = max(len(finding.check) for finding in findings)
    for each in findings:
        level = styled(f"{each.level:<7}", _COLOURS[each.level], sys.stdout)
        click.echo(f"{level}  {each.check:<{width}}  {printable(each.message)}")
        if each.hint:
            click.echo(f"{'':7}  {'':{width}}  → {printable(each.hint)}")


def _of_folder(data_dir: Path | None) -> list[Diagnosis]:
    from opsicle.server.doctor.folder_checks import examine

    if data_dir is None and not DEFAULT_DATA_DIR.exists():
        return []
    return examine(data_dir or DEFAULT_DATA_DIR, SystemClock().now())


def _of_replica(replica: Path | None, data_dir: Path | None) -> Iterator[Diagnosis]:
    """Look at a standby's replica, compared with the data folder whose server runs here."""
    from opsicle.server.doctor.replica_checks import check_replica

    if replica:
        folder = data_dir or DEFAULT_DATA_DIR
        here = folder if _own_url(folder) else None
        yield from check_replica(replica, here, SystemClock().now())


def _of_server(url: str | None, data_dir: Path | None, ca_file: Path | None) -> Iterator[Diagnosis]:
    """Ask for the server as people do; without a URL, one that runs on the data folder."""
    from opsicle.client.saved_logins import SavedLogin, open_api, read_ca
    from opsicle.server.doctor.findings import ok, problem, warning

    folder = data_dir or DEFAULT_DATA_DIR
    own_url = _own_url(folder)
    url = url or own_url
    if not url:
        return
    ca_pem = read_ca(str(ca_file)) if ca_file else ""
    if not ca_pem and url == own_url:
        ca_pem = (folder / "ca.pem").read_text(encoding="ascii")

    try:
        health = open_api(SavedLogin(server=url, ca_pem=ca_pem)).call(READYZ)
    except OpsicleError as error:
        yield problem("server", f"{url}: {error.message}", error.hint or _PROXY_HINT)
        return
    yield ok("server", f"{url} is ready")
    for remark in health.remarks:
        yield warning("server", remark, "docs/server.md says more.")


def _own_url(folder: Path) -> str:
    """Return where the server of a data folder is; "" where none runs."""
    if not folder.exists():
        return ""
    from opsicle.server.data_folder import find_running

    running = find_running(folder)
    return running.url if running else ""


def _of_workers() -> Iterator[Diagnosis]:
    """Look at the workers of the org that one is logged in to, if one is."""
    from opsicle.server.doctor.findings import ok, problem, warning

    try:
        login = current_session()
    except OpsicleError:
        return
    try:
        workers = list(connect(login).pages(LIST_WORKERS))
    except OpsicleError as error:
        yield warning("workers", f"{login.server}: {error.message}", error.hint)
        return

    clocks = {each.name: each.clock_offset_seconds for each in workers}
    off = {name: offset for name, offset in clocks.items() if offset and is_off(offset)}
    for name, offset in off.items():
        yield problem(
            "clock", f"{name}'s clock is {offset_text(offset)} the server's, so it gets no work",
            "Set its clock; if it is so of all workers, the server's.",
        )  # fmt: skip
    if workers and not off:
        yield ok("clock", f"workers of {login.org} with the server's time: {len(workers)}")
    for each in workers:
        if each.withheld and each.name not in off:
            yield problem("workers", f"{each.name} gets no work: {each.withheld}", "See its page.")
