"""Hosts that another tool's files name → targets, and what of those files could not be taken."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from opsicle.domain.known_hosts import KnownHosts
from opsicle.domain.label_parser import MAX_LABELS
from opsicle.domain.names import LABEL_KEY
from opsicle.domain.problems import quoted
from opsicle.domain.target_parser import MAX_HOST_KEYS, USER_NAME, is_host
from opsicle.domain.targets import SSH_PORT, Target

GROUP = "group"
"""The value of a label whose key is the name of a group."""

_NAME_CHARACTERS = 63
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1", re.IGNORECASE)


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was not taken, or is to be seen to, and why.

    `about` names the target or host; "" for the file itself. `line` is 0 where it stands in many.
    """

    message: str
    about: str = ""
    line: int = 0


class FoundHost(msgspec.Struct, frozen=True, kw_only=True):
    """A host as a file names it; `user` and `identity_file` are "" where it does not say."""

    name: str
    host: str
    line: int = 0
    port: int = SSH_PORT
    user: str = ""
    identity_file: str = ""
    groups: tuple[str, ...] = ()
    description: str = ""
    remarks: tuple[str, ...] = ()


class FoundHosts(msgspec.Struct, frozen=True):
    """All hosts of a file, and what is to be said of the rest of it."""

    hosts: list[FoundHost]
    remarks: list[Remark]


class ImportedTargets(msgspec.Struct, frozen=True):
    """The targets that a file makes, which may lack host keys and user, and what to tell people."""

    targets: list[Target]
    remarks: list[Remark]


def import_targets(
    found: FoundHosts, known_hosts: KnownHosts, user: str = "", secret: str = ""
) -> ImportedTargets:
    """Return the targets that these hosts make.

    `user` is for those that say none. The private key of all is `secret`; without it, each one's is
    named after its key file. Hosts that are one machine under several names make one target.
    """
    remarks, targets = list(found.remarks), []
    machines: dict[tuple[str, int, str], str] = {}
    names: set[str] = set()
    for host in found.hosts:
        if not is_host(host.host):
            message = f"{quoted(host.host)} is no host: it is left out"
            remarks.append(Remark(message=message, about=host.name, line=host.line))
            continue

        machine = (host.host.lower(), host.port, host.user or user)
        if machine in machines:
            message = f"is the same machine as {machines[machine]}: it is left out"
            remarks.append(Remark(message=message, about=host.name, line=host.line))
            continue

        target = _target(host, known_hosts, user, secret, names)
        machines[machine] = target.name
        names.add(target.name)
        targets.append(target)
        messages = [*host.remarks, *_remarks_on(host, target, secret)]
        remarks += [
            Remark(message=message, about=target.name, line=host.line) for message in messages
        ]
    return ImportedTargets(targets, remarks)


def port_in(text: str) -> int | None:
    """Return the port that a file says, SSH's own where it says none; None for what is no port."""
    if not text:
        return SSH_PORT
    is_port = text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65_536
    return int(text) if is_port else None


def no_port(text: str) -> str:
    """Say of what stands in the place of a port that it is none."""
    return f"{quoted(text)} is no port (1 to 65535): {SSH_PORT} was taken, see to it before a push"


def _target(
    host: FoundHost, known_hosts: KnownHosts, user: str, secret: str, taken: set[str]
) -> Target:
    keys = known_hosts.keys_of(host.host, host.port) or known_hosts.keys_of(host.name, host.port)
    login = host.user or user
    return Target(
        name=_free_name(host.name, taken),
        host=host.host,
        port=host.port,
        user=login if USER_NAME.fullmatch(login) else "",
        host_keys=keys[:MAX_HOST_KEYS],
        secret=secret or _secret_name(host.identity_file),
        labels=dict.fromkeys(_label_keys(host.groups)[:MAX_LABELS], GROUP),
        description=host.description,
    )


def _remarks_on(host: FoundHost, target: Target, secret: str) -> Iterable[str]:
    if target.name != host.name:
        yield f"was called {quoted(host.name)}"
    if host.user and not target.user:
        yield f"its user {quoted(host.user)} is none"
    if host.identity_file and not secret:
        file = quoted(host.identity_file)
        yield f"its private key was {file}: keep it as the secret {target.secret}"
    if _LOOPBACK.fullmatch(host.host):
        yield f"{host.host} is the worker's own machine, whichever that is"
    if len(_label_keys(host.groups)) > MAX_LABELS:
        yield f"of its {len(host.groups)} groups the first {MAX_LABELS} became labels"


def _label_keys(groups: Iterable[str]) -> list[str]:
    keys = (re.sub(r"[^A-Za-z0-9._/-]", "-", group).lstrip("._/-")[:127] for group in groups)
    return [key for key in dict.fromkeys(keys) if LABEL_KEY.fullmatch(key)]


def _free_name(name: str, taken: set[str]) -> str:
    """Return a name that a target can have, like this one, that no other has."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_NAME_CHARACTERS] or "target"
    made, number = plain, 1
    while made in taken:
        number += 1
        made = f"{plain[: _NAME_CHARACTERS - 5]}-{number}"
    return made


def _secret_name(identity_file: str) -> str:
    """Return the secret's name for a key file, as in `id-rsa` for `~/.ssh/id_rsa`."""
    file = identity_file.replace("\\", "/").rpartition("/")[2]
    return re.sub(r"[^a-z0-9]+", "-", file.lower()).strip("-")[:_NAME_CHARACTERS] or "ssh-key"
