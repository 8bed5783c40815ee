"""`opsicle service`: what systemd reads of a server and a worker that stay."""

from __future__ import annotations

import shlex

import click

from opsicle.cli.root import NounGroup, VerbCommand
from opsicle.kit.resources import program

_HEAD = """\
# Made by `opsicle service print {kind}`. Keep it as /etc/systemd/system/{unit}.service, then:
#   systemctl daemon-reload && systemctl enable --now {unit}
# What is to differ from it belongs into /etc/systemd/system/{unit}.service.d/*.conf,
# options into the table [{kind}] of /etc/opsicle/opsicle.toml,
# which the service's user must be able to read.
"""

_SERVER = """\
[Unit]
Description=Opsicle server
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
User={user}
Group={user}
{groups}Environment=OPSICLE_CONFIG_DIR=/etc/opsicle OPSICLE_CACHE_DIR=/var/cache/opsicle
ExecStart={program} server --data-dir /var/lib/opsicle
# Certificates and settings are read anew; nothing is interrupted.
ExecReload=/bin/kill -HUP $MAINPID
StateDirectory=opsicle
StateDirectoryMode=0700
CacheDirectory=opsicle
CacheDirectoryMode=0700
# Where `forward_file` may lie.
LogsDirectory=opsicle
LogsDirectoryMode=0750
RuntimeDirectory=opsicle
RuntimeDirectoryMode=0755
UMask=0077
# The server answers what is under way and closes its databases, in 10 s at most.
KillMode=mixed
TimeoutStopSec=20
Restart=on-failure
RestartSec=2
LimitNOFILE=16384
LimitCORE=0
ProtectControlGroups=yes

{confinement}
[Install]
WantedBy=multi-user.target
"""

_WORKER = """\
[Unit]
Description=Opsicle worker
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User={user}
Group={user}
{groups}Environment=OPSICLE_CONFIG_DIR=/etc/opsicle OPSICLE_CACHE_DIR=/var/cache/opsicle-worker
ExecStart={program} worker --data-dir /var/lib/opsicle-worker
StateDirectory=opsicle-worker
StateDirectoryMode=0700
CacheDirectory=opsicle-worker
CacheDirectoryMode=0700
UMask=0077
# TERM goes to the worker alone, which takes no more jobs and lets those that run end, for an hour
# at most. Sent to all of its processes, as systemd does unless told, it would end the jobs.
# `systemctl kill -s TERM` once more cancels them.
KillMode=mixed
TimeoutStopSec=65min
Restart=on-failure
RestartSec=5
LimitCORE=0
# A control group of its own, in which it keeps the limits of phases: `limits` in templates.
Delegate=memory pids

{confinement}
[Install]
WantedBy=multi-user.target
"""

_FREE_JOBS = """\
# Jobs do what their templates say, with the rights of this user: add what yours can do without.
# `sudo` in a command needs NoNewPrivileges=no.
NoNewPrivileges=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
"""

_CONFINED = """\
# {reason}
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""

_CONFINED_SERVER = "It needs its own folders and the network, and nothing else of the machine."
_CONFINED_JOBS = (
    "Jobs reach the network and the worker's own folders, and nothing else of the machine."
)

_UNITS = {"server": ("opsicle-server", _SERVER), "worker": ("opsicle-worker", _WORKER)}

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
    type=click.Choice([*_UNITS, *_FRAGMENTS]),
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
    "--confined",
    is_flag=True,
    help="For a worker whose jobs act on other machines alone: closed like the server's.",
)
@click.option("--program", metavar="PATH", help="Where the program is; this very file unless told.")
def print_(
    kind: str, user: str | None, group: tuple[str, ...], confined: bool, program: str | None
) -> None:
    """Print a hardened systemd unit for a server or a worker, with a graceful stop.

    `sysusers` prints the users of both units for systemd-sysusers, `tmpfiles` their folders for
    systemd-tmpfiles; neither takes options.
    """
    if kind in _FRAGMENTS:
        if user or group or confined or program:
            raise click.UsageError(f"`{kind}` takes no options: it is for the units as they are")
        click.echo(_FRAGMENTS[kind], nl=False)
        return

    unit, text = _UNITS[kind]
    values = {
        "kind": kind,
        "unit": unit,
        "user": user or ("opsicle" if kind == "server" else "opsicle-worker"),
        "program": _escaped(shlex.quote(program) if program else _this_program()),
        "confinement": _confinement(kind, confined),
        "groups": f"SupplementaryGroups={' '.join(group)}\n" if group else "",
    }
    click.echo((_HEAD + "\n" + text).format(**values), nl=False)


def _confinement(kind: str, is_confined: bool) -> str:
    """Return the part of a unit that says what its processes may not do."""
    if kind == "worker" and not is_confined:
        return _FREE_JOBS
    reason = _CONFINED_SERVER if kind == "server" else _CONFINED_JOBS
    return _CONFINED.format(reason=reason)


def _this_program() -> str:
    return shlex.join(program())


def _escaped(path: str) -> str:
    """Return the path as a unit has it, where `%` and `$` mean something."""
    return path.replace("%", "%%").replace("$", "$$")
