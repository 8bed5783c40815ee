"""Documents of `type: Target` → checked targets."""

from __future__ import annotations

import ipaddress
import re

from opsicle.domain.documents import DocumentNode, Fields
from opsicle.domain.label_parser import parse_labels, parse_where
from opsicle.domain.names import LABEL_VALUE, LABEL_VALUE_RULE
from opsicle.domain.problems import quoted
from opsicle.domain.secrets import SECRET_NAME, SECRET_NAME_RULE
from opsicle.domain.ssh_host_keys import (
    MAX_HOST_KEY_CHARACTERS,
    HostKeyMistake,
    parse_host_key,
)
from opsicle.domain.targets import SSH_PORT, Target

TARGET_TYPE = "Target"

MAX_HOST_KEYS = 10
MAX_DESCRIPTION = 500

HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
    r"(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
USER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}")
USER_NAME_RULE = (
    "1 to 64 of the characters a-z, A-Z, 0-9, `_`, `.`, `@`, `+` and `-`, "
    "beginning with a letter, digit or `_`"
)
"""Nor may a host or user begin with `-`, which OpenSSH would take for an option."""


def read_target(name: str, labels: dict[str, str], spec: Fields) -> Target:
    """Return the target in a document's `spec`."""
    _check_labels(spec, labels)
    runs_on = spec.mapping("runsOn")
    credential = spec.mapping("credential", is_required=True)
    secret = credential.name("secret", SECRET_NAME, SECRET_NAME_RULE) if credential else ""
    target = Target(
        name=name,
        labels=labels,
        host=_host(spec),
        port=spec.integer("port", SSH_PORT, 1, 65_535),
        user=spec.name("user", USER_NAME, USER_NAME_RULE),
        host_keys=_host_keys(spec),
        secret=secret,
        runs_on=parse_labels(runs_on) if runs_on else {},
        runs_on_where=parse_where(runs_on) if runs_on else "",
        description=spec.line("description", MAX_DESCRIPTION),
    )

    for fields in (runs_on, credential, spec):
        if fields:
            fields.end()
    return target


def is_host(text: str) -> bool:
    """Return whether a text is a name of DNS or an address of IPv4 or IPv6.

    >>> is_host("2001:db8::7"), is_host("web1.example.com"), is_host("-oProxyCommand=x")
    (True, True, False)
    """
    if ":" not in text:
        return HOST_NAME.fullmatch(text) is not None
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _check_labels(spec: Fields, labels: dict[str, str]) -> None:
    """Note values of labels that nothing could be compared with."""
    for key, value in labels.items():
        if not LABEL_VALUE.fullmatch(value):
            spec.place.problems.add(
                f"metadata.labels.{key}",
                f"{quoted(value)} is no value of a target's label: {LABEL_VALUE_RULE}",
            )


def _host(spec: Fields) -> str:
    place = spec.find("host", is_required=True)
    text = place.text() if place else None
    if place is None or text is None:
        return ""
    if not is_host(text):
        place.add(
            f"{quoted(text)} is no host: it is a name or an address, without user and port, "
            "which have fields of their own"
        )
        return ""
    return text


def _host_keys(spec: Fields) -> tuple[str, ...]:
    found: list[str] = []
    for place in spec.items("hostKeys", MAX_HOST_KEYS, is_required=True):
        key = _host_key(place)
        if key in found:
            place.add("stands twice")
        elif key:
            found.append(key)
    return tuple(found)


def _host_key(place: DocumentNode) -> str:
    text = place.line_of_text(MAX_HOST_KEY_CHARACTERS)
    if text is None:
        return ""
    try:
        return parse_host_key(text)
    except HostKeyMistake as mistake:
        place.add(str(mistake))
        return ""
