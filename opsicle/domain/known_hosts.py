"""Reading `known_hosts` files: which keys each host shows itself by."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from fnmatch import fnmatchcase

from opsicle.domain.ssh_host_keys import HostKeyMistake, parse_host_key
from opsicle.domain.targets import SSH_PORT

MAX_KNOWN_HOSTS_BYTES = 4 * 1024 * 1024


class KnownHosts:
    """The lines of a file, in the form that `sshd(8)` describes.

    Of lines with a mark, `@revoked` takes a key out again; `@cert-authority` is of no use here.
    """

    def __init__(self, text: str) -> None:
        self._lines = list(_lines(text))

    def keys_of(self, host: str, port: int = SSH_PORT) -> tuple[str, ...]:
        """Return the keys of a host, each once, in the order of the file."""
        name = host.lower() if port == SSH_PORT else f"[{host.lower()}]:{port}"
        matching = [(mark, key) for mark, hosts, key in self._lines if _matches(hosts, name)]
        revoked = {key for mark, key in matching if mark == "@revoked"}
        return tuple(
            dict.fromkeys(key for mark, key in matching if not mark and key not in revoked)
        )


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield mark, hosts and key of each line that has a key of a type that we take."""
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        mark = words.pop(0) if words[0].startswith("@") else ""
        if len(words) >= 3:
            try:
                yield mark, words[0], parse_host_key(" ".join(words[1:3]))
            except HostKeyMistake:
                continue


def _matches(hosts: str, name: str) -> bool:
    """Return whether a line's first field, names with `*` and `?` or a hash, is about a host."""
    if hosts.startswith("|1|"):
        return _is_hash_of(hosts, name)
    patterns = hosts.lower().split(",")
    if any(_is_like(name, each[1:]) for each in patterns if each.startswith("!")):
        return False
    return any(_is_like(name, each) for each in patterns)


def _is_like(name: str, pattern: str) -> bool:
    """Return whether a name fits a pattern of `*` and `?`; brackets stand around a host's name."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _is_hash_of(field: str, name: str) -> bool:
    try:
        _, _, salt, digest = field.split("|")
        made = hmac.digest(base64.b64decode(salt), name.encode(), hashlib.sha1)
        return hmac.compare_digest(made, base64.b64decode(digest))
    except (binascii.Error, ValueError):
        return False
