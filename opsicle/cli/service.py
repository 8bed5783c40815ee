"""`opsicle service`: what systemd reads of a server and a worker that stay."""

from __future__ import annotations

import shlex

import click

from opsicle.cli.root import NounGroup, VerbCommand
from opsicle.cli.units import KINDS, Unit
from opsicle.kit.resources import program

_SYSUSERS = """\
# Made by `opsicle service print sysusers`. Keep it as /etc/sysusers.d/opsicle.conf, then:
#   systemd-sysusers
# A line for each unit: take away what does not run on this machine.
u opsicle        - "Opsicle server" /var/lib/opsicle        /usr/sbin/nologin
u opsicle-worker - "Opsicle worker" /var/lib/opsicle-worker /usr/sbin/nologin
"""

_TMPFILES = """\
# Made by `opsicle service print tmpfiles`. Keep it as /etc/tmpfiles.d/opsicle.conf, then:
#   systemd-tmpfiles --create
# The folders of both units, for what is done by hand before systemd has started them.
d /etc/opsicle              0755 root           root           -
d /var/lib/opsicle          0700 opsicle        opsicle        -
d /var/cache/opsicle        0700 opsicle        opsicle        -
d /var/backups/opsicle      0700 opsicle        opsicle        -
d /var/lib/opsicle-worker   0700 opsicle-worker opsicle-worker -
d /var/cache/opsicle-worker 0700 opsicle-worker opsicle-worker -
"""

_FRAGMENTS = {"sysusers": _SYSUSERS, "tmpfiles": _TMPFILES}


@click.group(cls=NounGroup)
def service() -> None:
    """Make what systemd reads: units, their users and their folders."""


@service.command("print", cls=VerbCommand)
@click.argument(
    "kind",
    metavar="server|worker|sysusers|tmpfiles",
    type=click.Choice([*KINDS, *_FRAGMENTS]),
)
@click.option(
    "--user", metavar="USER", help="Whom it runs as; opsicle or opsicle-worker unless told."
)
@click.option(
    "--group",
    metavar="GROUP",
    multiple=True,
    help="A further group, such as the proxy's. May be repeated.",
)
@click.option(
    "--unconfined",
    is_flag=True,
    help="For a worker whose jobs act on this machine itself: they may do what its user may.",
)
@click.option("--program", metavar="PATH", help="Where the program is; this very file unless told.")
def print_(
    kind: str, user: str | None, group: tuple[str, ...], unconfined: bool, program: str | None
) -> None:
    """Print a hardened systemd unit for a server or a worker, with a graceful stop.

    A server's processes, and a worker's jobs unless told, reach the network and their own folders,
    and little else of the machine. `sysusers` prints the users of both units for systemd-sysusers,
    `tmpfiles` their folders for systemd-tmpfiles; neither takes options.
    """
    if kind in _FRAGMENTS:
        if user or group or unconfined or program:
            raise click.UsageError(f"`{kind}` takes no options: it is for the units as they are")
        click.echo(_FRAGMENTS[kind], nl=False)
        return
    if unconfined and kind == "server":
        raise click.UsageError("--unconfined is for workers: a server needs nothing else")

    started = _escaped(shlex.quote(program) if program else _this_program())
    unit = Unit(kind, started, user or "", group, is_confined=not unconfined)
    click.echo(unit.render(), nl=False)


def _this_program() -> str:
    return shlex.join(program())


def _escaped(path: str) -> str:
    """Return the path as a unit has it, where `%` and `$` mean something."""
    return path.replace("%", "%%").replace("$", "$$")
