"""Reading Ansible's inventories, as INI and as YAML."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from opsicle.domain.ansible_inventories import Inventory, Vars, found_hosts
from opsicle.domain.errors import InvalidInput
from opsicle.domain.imported_targets import FoundHosts
from opsicle.domain.problems import Problems, quoted
from opsicle.domain.yaml_documents import Kind, Node, load, plain

_SECTION = re.compile(r"\[(?P<name>[^\]:]+)(:(?P<kind>\w+))?\]\s*([#;].*)?")
_WITH_PORT = re.compile(r"(?P<host>[^\s:]+):(?P<port>[0-9]{1,5})")


def read_inventory(source: bytes) -> FoundHosts:
    """Return the hosts of an inventory. Raises InvalidInput for what is neither YAML nor INI."""
    text = source.decode("utf-8-sig", "replace")
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    first = next(filter(None, lines), "")
    is_yaml = first.startswith(("---", "- ", "{")) or first.endswith(":") or ": " in first
    inventory = Inventory()
    if is_yaml and not first.startswith("["):
        _read_yaml(inventory, source)
    else:
        _read_ini(inventory, text)
    return found_hosts(inventory)


def _read_ini(inventory: Inventory, text: str) -> None:
    group, kind = "ungrouped", "hosts"
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if not content or content[0] in "#;":
            continue
        section = _SECTION.fullmatch(content)
        if section and (section["kind"] or "hosts") in {"hosts", "children", "vars"}:
            group, kind = section["name"].strip(), section["kind"] or "hosts"
            inventory.group(group)
        elif kind == "children":
            inventory.group(group).children[content.split("#")[0].strip()] = None
        elif kind == "vars":
            inventory.group(group).variables.update(_pairs([content.split(" #")[0]]))
        else:
            _read_host(inventory, group, content, number)


def _read_host(inventory: Inventory, group: str, content: str, line: int) -> None:
    try:
        first, *rest = shlex.split(content, comments=True)
    except ValueError:
        inventory.remark("a quote does not end: the line was not read", line)
        return
    variables = _pairs(rest)
    match = _WITH_PORT.fullmatch(first)
    if match:
        first = match["host"]
        variables.setdefault("ansible_port", match["port"])
    inventory.add_hosts(group, first, variables, line)


def _pairs(words: list[str]) -> Vars:
    pairs = (word.partition("=") for word in words)
    return {key.strip(): value.strip().strip("\"'") for key, equals, value in pairs if equals}


def _read_yaml(inventory: Inventory, source: bytes) -> None:
    problems = Problems()
    root = load(source, problems)
    if root.kind is not Kind.MAPPING:
        raise InvalidInput("this is no inventory of Ansible: it is neither INI nor groups in YAML")
    for problem in problems.listed():
        inventory.remark(f"{problem.path}: {problem.message}", problem.line)
    for name, node in root.fields.items():
        if node.kind is Kind.LIST and name == "hosts":
            _read_listed(inventory, node)
        elif node.kind in {Kind.MAPPING, Kind.NULL}:
            _read_group(inventory, name, node)
        else:
            message = f"{quoted(name)} is no group, which has hosts, children or vars"
            inventory.remark(message, node.line)


def _read_group(inventory: Inventory, name: str, node: Node) -> None:
    group = inventory.group(name)
    for key, value in node.fields.items():
        if key == "vars":
            group.variables.update(_variables(value))
        elif key == "children":
            for child, inner in value.fields.items():
                group.children[child] = None
                _read_group(inventory, child, inner)
        elif key == "hosts":
            for host, inner in value.fields.items():
                inventory.add_hosts(name, host, _variables(inner), value.key_lines[host])
            for each in _names(value):
                inventory.add_hosts(name, each.text, {}, each.line)
        else:
            inventory.remark(f"{quoted(key)} of the group {name} was not taken", value.line)


def _names(node: Node) -> Iterator[Node]:
    """Yield hosts that stand without variables: one alone, or a list."""
    for each in node.items or [node]:
        if each.kind is Kind.TEXT:
            yield each


def _read_listed(inventory: Inventory, node: Node) -> None:
    """Read hosts that stand by purpose and provider, as lists of mappings within each other.

    So does the inventory script of Eclipse Adoptium, which calls such a host
    `PURPOSE-PROVIDER-NAME`, and its address `ip`.
    """
    for purpose in node.items:
        for name, providers in purpose.fields.items():
            for provider in providers.items:
                for place, hosts in provider.fields.items():
                    for host, inner in hosts.fields.items():
                        full = f"{name}-{place}-{host}"
                        variables = _renamed(_variables(inner))
                        line = hosts.key_lines[host]
                        for group in (name, place):
                            inventory.add_hosts(group, full, variables, line)


def _renamed(variables: Vars) -> Vars:
    names = {"ip": "ansible_host", "user": "ansible_user", "port": "ansible_port"}
    return {names.get(key, key): value for key, value in variables.items()}


def _variables(node: Node) -> Vars:
    """Return what variables say, of lists and mappings only that there are such."""
    return {
        key: value.text if value.kind not in {Kind.LIST, Kind.MAPPING} else str(plain(value))
        for key, value in node.fields.items()
    }
