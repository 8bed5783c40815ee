"""The systemd units of a server and a worker: their text, and reading one that is installed."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from opsicle.version import __version__

_HEAD = """\
# Made by `opsicle service print {kind}` {version}. Keep it as
# /etc/systemd/system/{unit}.service, then:
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
# Jobs may do on this machine whatever its user may: add what yours can do without.
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
_CONFINED_JOBS = """\
Jobs reach the network, read what everybody may, and write into the worker's own folders and a
# /tmp of its own: no homes, no processes of others, no `sudo`, no containers. Where else they are
# to write, a drop-in says: ReadWritePaths=/srv/releases. Jobs that act on this machine itself need
# the unit of `opsicle service print worker --unconfined`."""

_REFUSED_CALLS = """\
# A command that asks the kernel for more is told so, and not killed.
SystemCallErrorNumber=EPERM
"""

_TEXTS = {"server": _SERVER, "worker": _WORKER}
_USERS = {"server": "opsicle", "worker": "opsicle-worker"}

KINDS = tuple(_TEXTS)

_MADE_BY = re.compile(r"^# Made by `opsicle service print \w+` ([^\s,]+)\. ", re.MULTILINE)
_EXEC = re.compile(r"^ExecStart=(.+) (server|worker) --data-dir /var/lib/", re.MULTILINE)
_USER = re.compile(r"^User=(.+)$", re.MULTILINE)
_GROUPS = re.compile(r"^SupplementaryGroups=(.+)$", re.MULTILINE)
_CLOSED = "ProtectSystem=strict"
"""What no open unit of a worker has."""


class Unit(NamedTuple):
    """What may differ from one unit to the next of a kind.

    `program` is what systemd starts, quoted and escaped as a unit has it.
    """

    kind: str
    program: str
    user: str = ""
    groups: tuple[str, ...] = ()
    is_confined: bool = True

    @property
    def name(self) -> str:
        """What systemd calls it."""
        return f"opsicle-{self.kind}"

    @property
    def command(self) -> str:
        """What prints it."""
        words = ["opsicle", "service", "print", self.kind]
        if self.user not in ("", _USERS[self.kind]):
            words += ["--user", self.user]
        for group in self.groups:
            words += ["--group", group]
        if not self.is_confined:
            words.append("--unconfined")
        program = self._program_words()
        if len(program) == 1:  # else by a Python that is named, as that program says
            words += ["--program", *program]
        return shlex.join(words)

    def render(self) -> str:
        """Return the file."""
        values = {
            "version": __version__,
            "kind": self.kind,
            "unit": self.name,
            "user": self.user or _USERS[self.kind],
            "program": self.program,
            "confinement": self._confinement(),
            "groups": f"SupplementaryGroups={' '.join(self.groups)}\n" if self.groups else "",
        }
        return (_HEAD + "\n" + _TEXTS[self.kind]).format(**values)

    def _program_words(self) -> list[str]:
        """Return what systemd starts, word by word; nothing where a quote is left open."""
        try:
            return shlex.split(self.program.replace("%%", "%").replace("$$", "$"))
        except ValueError:
            return []

    def _confinement(self) -> str:
        """Return the part that says what its processes may not do."""
        if not self.is_confined:
            return _FREE_JOBS
        if self.kind == "server":
            return _CONFINED.format(reason=_CONFINED_SERVER)
        return _CONFINED.format(reason=_CONFINED_JOBS) + _REFUSED_CALLS


def read_unit(text: str) -> Unit | None:
    """Return what a unit was printed of, None if it is not one of ours."""
    started = _EXEC.search(text)
    if not started:
        return None
    return Unit(
        kind=started[2],
        program=started[1],
        user="".join(_USER.findall(text)[-1:]),
        groups=tuple(" ".join(_GROUPS.findall(text)).split()),
        is_confined=started[2] == "server" or _CLOSED in text.splitlines(),
    )


def made_by(text: str) -> str:
    """Return the version that printed a unit, "" where it does not say."""
    found = _MADE_BY.search(text)
    return found[1] if found else ""


def settings_of(text: str) -> list[str]:
    """Return the lines of a unit that mean something to systemd."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith(("#", ";"))]
