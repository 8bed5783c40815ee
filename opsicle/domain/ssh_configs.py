"""Reading the hosts of an `ssh_config(5)`: what OpenSSH would do for each name that it gives."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase

import msgspec

from opsicle.domain.imported_targets import FoundHost, FoundHosts, Remark, no_port, port_in
from opsicle.domain.problems import quoted
from opsicle.domain.targets import SSH_PORT

_WILDCARD = re.compile(r"[*?!]")
_OPTION = re.compile(r"(?P<key>[A-Za-z0-9]+)(\s*=\s*|\s+)(?P<value>.*)")
_CRITERIA = frozenset({"host", "originalhost", "user"})
_UNCHECKED = frozenset({"no", "off"})


class _Block(msgspec.Struct):
    """What stands under one `Host` or `Match` line.

    `criteria` are patterns by what they are compared with; all must hold.
    """

    line: int
    criteria: dict[str, list[str]]
    options: dict[str, str] = msgspec.field(default_factory=dict)


def read_ssh_config(text: str) -> FoundHosts:
    """Return the hosts that `Host` lines name without wildcards.

    As OpenSSH does, the first value that is found for a name counts. `Include` is not followed, and
    a `Match` that asks for more than host and user is left out.
    """
    remarks: list[Remark] = []
    blocks = list(_blocks(text, remarks))
    hosts: dict[str, FoundHost] = {}
    for block in blocks:
        for name in block.criteria.get("named", []):
            if not _WILDCARD.search(name) and name not in hosts:
                hosts[name] = _found(name, block.line, blocks)
    if not hosts:
        remarks.append(Remark(message="no `Host` line names a host: there is nothing to import"))
    return FoundHosts(list(hosts.values()), remarks)


def _blocks(text: str, remarks: list[Remark]) -> Iterator[_Block]:
    block = _Block(0, {})
    for number, line in enumerate(text.splitlines(), 1):
        match = _OPTION.fullmatch(line.strip())
        if match is None or line.strip().startswith("#"):
            continue

        key, value = match["key"].lower(), match["value"]
        if key in {"host", "match"}:
            yield block
            block = _begin(key, _words(value), number, remarks)
        elif key == "include":
            message = f"includes {quoted(value)}, which was not read: import that file too"
            remarks.append(Remark(message=message, line=number))
        else:
            words = value if key == "proxycommand" else " ".join(_words(value))
            if key == "port" and port_in(words) is None:
                remarks.append(Remark(message=no_port(words), line=number))
            block.options.setdefault(key, words)
    yield block


def _begin(key: str, words: list[str], line: int, remarks: list[Remark]) -> _Block:
    if key == "host":
        if any("[" in word or "]" in word for word in words):
            message = f"{quoted(' '.join(words))} names no hosts: it is left out"
            remarks.append(Remark(message=message, line=line))
            return _Block(line, {"host": []})
        return _Block(line, {"originalhost": words, "named": words})

    words = [word.lower() for word in words]
    criteria = dict(zip(words[::2], (word.split(",") for word in words[1::2]), strict=False))
    if words == ["all"]:
        return _Block(line, {})
    if len(words) % 2 or not set(criteria) <= _CRITERIA:
        message = f"`Match {' '.join(words)}` was not taken: what it asks for is not known here"
        remarks.append(Remark(message=message, line=line))
        return _Block(line, {"host": []})
    return _Block(line, criteria)


def _found(name: str, line: int, blocks: list[_Block]) -> FoundHost:
    options: dict[str, str] = {}
    for block in blocks:
        if _holds(block, name, options):
            for key, value in block.options.items():
                options.setdefault(key, value)

    return FoundHost(
        name=name,
        host=_host_name(name, options),
        line=line,
        port=port_in(options.get("port", "")) or SSH_PORT,
        user=options.get("user", ""),
        identity_file=options.get("identityfile", ""),
        remarks=tuple(_remarks(options)),
    )


def _host_name(name: str, options: dict[str, str]) -> str:
    return options.get("hostname", name).replace("%h", name).replace("%%", "%")


def _holds(block: _Block, name: str, options: dict[str, str]) -> bool:
    """Return whether a block is about a name, given the options found so far."""
    values = {
        "originalhost": name,
        "host": _host_name(name, options),
        "user": options.get("user", ""),
    }
    return all(
        _is_among(values[key].lower(), patterns)
        for key, patterns in block.criteria.items()
        if key != "named"
    )


def _is_among(value: str, patterns: list[str]) -> bool:
    """Return whether a value fits a list of patterns, and none of those that begin with `!`."""
    lower = [pattern.lower() for pattern in patterns]
    if any(fnmatchcase(value, each[1:]) for each in lower if each.startswith("!")):
        return False
    return any(fnmatchcase(value, each) for each in lower if not each.startswith("!"))


def _remarks(options: dict[str, str]) -> Iterator[str]:
    for key, name in (("proxyjump", "ProxyJump"), ("proxycommand", "ProxyCommand")):
        way = options.get(key, "none")
        if way.lower() != "none":
            yield (
                f"was reached through another host (`{name} {way}`): "
                "say in its `runsOn` which workers reach it themselves"
            )
            break
    if options.get("stricthostkeychecking", "").lower() in _UNCHECKED:
        yield "its host keys were not checked (`StrictHostKeyChecking no`); here they are"


def _words(text: str) -> list[str]:
    """Return the words of a line, without quotes and without a comment behind them."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape, lexer.quotes = True, "", '"'
    try:
        return list(lexer)
    except ValueError:
        return text.split()
