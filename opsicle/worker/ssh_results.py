"""What a target answers when a phase has ended there: exit code, outputs and summary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path

from opsicle.worker.phase_results import put_left

_LINE = "code ([0-9]{1,3}) (-?[0-9]{1,9}) (-?[0-9]{1,9}) ([01])"
"""The exit code, the sizes of outputs and summary, and whether it wanted more processes than it may
have, behind the nonce (see ssh_scripts.py)."""


class RemoteResult(Enum):
    """What came of a try.

    It has ended, perhaps as it wanted too many processes; or its files did not come over; or nobody
    knows.
    """

    ENDED = auto()
    TOO_MANY_PROCESSES = auto()
    NO_FILES = auto()
    LOST = auto()


def read_result(answer: Path, nonce: str, places: Mapping[str, Path]) -> RemoteResult:
    """Read the file that holds the answer, and put outputs and summary in their places."""
    try:
        content = answer.read_bytes()
    except OSError:
        return RemoteResult.LOST
    if content == f"{nonce} files\n".encode():
        return RemoteResult.NO_FILES
    said = re.search(rf"\n{nonce} {_LINE}\n".encode(), content)
    if said is None:
        return RemoteResult.LOST

    rest = content[said.end() :]
    for name, size in (("output", int(said[2])), ("summary", int(said[3]))):
        put_left(places[name], rest[:size] if size >= 0 else None)
        rest = rest[max(0, size) :]
    return RemoteResult.TOO_MANY_PROCESSES if said[4] == b"1" else RemoteResult.ENDED
