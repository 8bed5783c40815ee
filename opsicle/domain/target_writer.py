"""Checked targets → documents, as people would write them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from opsicle.domain.target_parser import TARGET_TYPE
from opsicle.domain.targets import SSH_PORT, Target

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/@-]*( AAAA[A-Za-z0-9+/=]+)?")
"""What needs no quotes, host keys among it."""

_NO_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})

TO_BE_FILLED = (
    "# The keys by which the host shows itself, from whoever runs it:",
    "# on the host, `cat /etc/ssh/ssh_host_*_key.pub` prints them.",
)


def written(target: Target) -> str:
    """Return the document of a target; without user or host keys it says what to fill in.

    What reads it back is the same target.
    """
    return "\n".join([*_lines(target), ""])


def _lines(target: Target) -> Iterator[str]:
    yield "apiVersion: v1"
    yield f"type: {TARGET_TYPE}"
    yield "metadata:"
    yield f"  name: {_text(target.name)}"
    if target.labels:
        yield f"  labels: {_mapping(target.labels)}"
    yield "spec:"
    if target.description:
        yield f"  description: {_text(target.description)}"
    yield f"  host: {_text(target.host)}"
    if target.port != SSH_PORT:
        yield f"  port: {target.port}"
    yield from _proof(target)
    yield from _workers(target)


def _proof(target: Target) -> Iterator[str]:
    """Yield how the host shows itself, and how jobs do."""
    if not target.user:
        yield "  # As whom to log in."
    yield f"  user: {_text(target.user)}"
    if target.host_keys:
        yield "  hostKeys:"
        yield from (f"    - {_text(key)}" for key in target.host_keys)
    else:
        yield from (f"  {line}" for line in TO_BE_FILLED)
        yield "  hostKeys: []"
    yield f"  credential: {_mapping({'secret': target.secret})}"


def _workers(target: Target) -> Iterator[str]:
    if target.runs_on or target.runs_on_where:
        yield "  runsOn:"
    if target.runs_on:
        yield f"    labels: {_mapping(target.runs_on)}"
    if target.runs_on_where:
        yield f"    where: {_text(target.runs_on_where)}"


def _mapping(entries: Mapping[str, str]) -> str:
    inside = ", ".join(f"{_text(key)}: {_text(value)}" for key, value in entries.items())
    return f"{{{inside}}}"


def _text(text: str) -> str:
    """Return a text as YAML reads it back: as it is where it can be nothing else, else in quotes.

    A text of JSON is one of YAML too.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)
