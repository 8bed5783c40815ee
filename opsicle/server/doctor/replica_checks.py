"""What a standby's replica holds: beside the server that it is of, or on the standby alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from opsicle.domain.clocks import duration_text, time_text
from opsicle.server import replicas
from opsicle.server.doctor.findings import Diagnosis, ok, problem
from opsicle.server.replicas import Piece

_WAIT_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.2
_CHECK = "replica"
_HINT = "See that Litestream runs, and its log; docs/operations/standby.md has its configuration."


def check_replica(replica: Path, data: Path | None, now: datetime) -> Iterator[Diagnosis]:
    """Look at both databases' replicas.

    `data` is the folder of the server that runs here, with which they are compared for some seconds
    at most; None on a standby, where only their age is known.
    """
    for name in replicas.DATABASES:
        try:
            piece = replicas.find_newest(replica, name)
            if piece is None:
                yield problem(_CHECK, f"none of {name} is in {replica}", _HINT)
            elif data:
                yield _compared(replica, data / name, piece, now)
            else:
                yield _aged(name, piece, now)
        except (OSError, ValueError) as error:
            yield problem(_CHECK, f"that of {name} cannot be read: {error}", _HINT)


def _compared(replica: Path, database: Path, first: Piece, now: datetime) -> Diagnosis:
    """Compare until it has everything, or is seen to move, or neither for too long."""
    name, piece = database.name, first
    ends_at = time.monotonic() + _WAIT_SECONDS
    while replicas.has_more(database, piece):
        if piece.number >= first.number + 2:
            return ok(_CHECK, f"that of {name} follows within {_WAIT_SECONDS:.0f} s")
        if time.monotonic() > ends_at:
            return problem(_CHECK, f"that of {name} {_lacks(piece, now)}", _HINT)
        time.sleep(_LOOK_AGAIN_SECONDS)
        piece = replicas.find_newest(replica, name) or piece
    return ok(_CHECK, f"that of {name} has everything")


def _aged(name: str, piece: Piece, now: datetime) -> Diagnosis:
    """Judge the state by its age: a server that knows of its replica writes twice a minute."""
    age = now.timestamp() - piece.at
    if name == replicas.DATABASES[0] and age > replicas.LATE_SECONDS:
        return problem(_CHECK, f"that of {name} {_lacks(piece, now)}", _HINT)
    return ok(_CHECK, f"that of {name} was written {duration_text(max(0.0, age))} ago")


def _lacks(piece: Piece, now: datetime) -> str:
    at = datetime.fromtimestamp(piece.at, UTC)
    age = duration_text(max(0.0, (now - at).total_seconds()))
    return f"has nothing that was written after {time_text(at)}, {age} ago"
