"""Hosts and groups of Ansible's inventories, and what becomes of their variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from opsicle.domain.imported_targets import FoundHost, FoundHosts, Remark, no_port, port_in
from opsicle.domain.problems import quoted
from opsicle.domain.targets import SSH_PORT

MOST_HOSTS = 10_000
"""How many hosts of an inventory are read; a range may name any number."""

_RANGE = re.compile(r"\[(?P<low>[0-9]+|[A-Za-z]):(?P<high>[0-9]+|[A-Za-z])(:(?P<step>[0-9]+))?\]")

_HOST = ("ansible_ssh_host", "ansible_host")
_PORT = ("ansible_ssh_port", "ansible_port")
_USER = ("ansible_ssh_user", "ansible_user")
_KEY_FILE = ("ansible_ssh_private_key_file", "ansible_private_key_file")
"""Names of variables with one meaning; the first that is set wins, as in Ansible's plugin `ssh`."""

_ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
_TAKEN = {*_HOST, *_PORT, *_USER, *_KEY_FILE, *_ARGUMENTS, "ansible_connection", "description"}
_OVER_SSH = frozenset({"", "ssh", "smart", "paramiko", "paramiko_ssh"})
_NO_GROUPS = frozenset({"all", "ungrouped"})

Vars = dict[str, str]


class HostGroup(msgspec.Struct):
    """A group of hosts; `children` are groups within it."""

    variables: Vars = msgspec.field(default_factory=dict)
    hosts: dict[str, None] = msgspec.field(default_factory=dict)
    children: dict[str, None] = msgspec.field(default_factory=dict)


class Inventory(msgspec.Struct):
    """What an inventory says, as its reader finds it."""

    groups: dict[str, HostGroup] = msgspec.field(default_factory=dict)
    hosts: dict[str, Vars] = msgspec.field(default_factory=dict)
    lines: dict[str, int] = msgspec.field(default_factory=dict)
    remarks: list[Remark] = msgspec.field(default_factory=list)

    def group(self, name: str) -> HostGroup:
        """Return a group, made now if nobody has named it before."""
        return self.groups.setdefault(name, HostGroup())

    def add_hosts(self, group: str, pattern: str, variables: Vars, line: int) -> None:
        """Note hosts of a group with variables of their own."""
        for name in expand(pattern):
            if len(self.hosts) >= MOST_HOSTS:
                break
            self.group(group).hosts[name] = None
            self.hosts.setdefault(name, {}).update(variables)
            self.lines.setdefault(name, line)

    def remark(self, message: str, line: int = 0) -> None:
        """Note what could not be taken."""
        self.remarks.append(Remark(message=message, line=line))


def found_hosts(inventory: Inventory) -> FoundHosts:
    """Return the hosts with what their own and their groups' variables say of reaching them."""
    hosts, others = [], set()
    depths = _depths(inventory.groups)
    for name, own in inventory.hosts.items():
        groups = _groups_of(inventory.groups, name)
        variables = _merged(inventory.groups, groups, depths) | own
        others.update(set(variables) - _TAKEN)
        connection = variables.get("ansible_connection", "")
        line = inventory.lines.get(name, 0)
        if connection not in _OVER_SSH:
            message = f"is not reached over SSH but by {quoted(connection)}: it is left out"
            inventory.remarks.append(Remark(message=message, about=name, line=line))
            continue
        named = tuple(sorted(groups - _NO_GROUPS))
        hosts.append(_found(name, variables, named, line))

    if others:
        inventory.remark(f"variables that nothing here reads: {', '.join(sorted(others))}")
    if not hosts:
        inventory.remark("it names no hosts: there is nothing to import")
    return FoundHosts(hosts, inventory.remarks)


def expand(pattern: str) -> Iterator[str]:
    """Yield the hosts of a pattern such as `web[01:10].example.com`.

    >>> list(expand("db-[a:c]"))
    ['db-a', 'db-b', 'db-c']
    """
    match = _RANGE.search(pattern)
    if match is None:
        yield pattern
        return
    for each in _steps(match["low"], match["high"], int(match["step"] or 1)):
        yield from expand(pattern[: match.start()] + each + pattern[match.end() :])


def _steps(low: str, high: str, step: int) -> Iterator[str]:
    if low.isdigit() != high.isdigit():
        return
    if not low.isdigit():
        yield from map(chr, range(ord(low), ord(high) + 1, step or 1))
        return
    width = len(low) if low.startswith("0") else 0
    end = min(int(high), int(low) + MOST_HOSTS)
    yield from (str(number).zfill(width) for number in range(int(low), end + 1, step or 1))


def _found(name: str, variables: Vars, groups: tuple[str, ...], line: int) -> FoundHost:
    remarks = []
    said: Vars = {}
    for meaning in (_HOST, _PORT, _USER, _KEY_FILE):
        text = _first(variables, meaning)
        if "{{" in text:
            remarks.append(f"its {meaning[0]} is made by a template, which is not carried out")
        else:
            said[meaning[0]] = text

    if (port := port_in(said.get(_PORT[0], ""))) is None:
        remarks.append(no_port(said[_PORT[0]]))

    arguments = _first(variables, _ARGUMENTS)
    if re.search(r"Proxy(Command|Jump)|-J\b", arguments):
        remarks.append(
            f"was reached through another host ({quoted(arguments)}): "
            "say in its `runsOn` which workers reach it themselves"
        )
    elif arguments:
        remarks.append(f"options of SSH were not taken: {quoted(arguments)}")

    return FoundHost(
        name=name,
        host=said.get(_HOST[0]) or name,
        line=line,
        port=port or SSH_PORT,
        user=said.get(_USER[0], ""),
        identity_file=said.get(_KEY_FILE[0], ""),
        groups=groups,
        description=variables.get("description", ""),
        remarks=tuple(remarks),
    )


def _first(variables: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((variables[name] for name in names if variables.get(name)), "")


def _groups_of(groups: Mapping[str, HostGroup], host: str) -> set[str]:
    """Return all groups that a host is in, be it by one within another."""
    found = {name for name, group in groups.items() if host in group.hosts} | {"all"}
    while more := {
        name for name, group in groups.items() if name not in found and found & set(group.children)
    }:
        found |= more
    return found


def _depths(groups: Mapping[str, HostGroup]) -> dict[str, int]:
    """Return how many groups each one is within, at most; what is within itself counts as far."""
    depths = dict.fromkeys(groups, 1) | {"all": 0}
    for _ in groups:
        for name, group in groups.items():
            for child in group.children:
                if child != "all" and name != "all":
                    depths[child] = max(depths.get(child, 1), depths[name] + 1)
    return depths


def _merged(groups: Mapping[str, HostGroup], names: set[str], depths: Mapping[str, int]) -> Vars:
    """Return what groups say of a host: inner ones win, then the higher priority, then A to Z."""

    def rank(name: str) -> tuple[int, int, str]:
        priority = groups[name].variables.get("ansible_group_priority", "1")
        return depths.get(name, 1), int(priority) if priority.isdigit() else 1, name

    merged: Vars = {}
    for name in sorted((name for name in names if name in groups), key=rank):
        merged |= groups[name].variables
    merged.pop("ansible_group_priority", None)
    return merged
