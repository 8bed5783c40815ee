"""What one template says of another one that it starts, and where the values come from."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from opsicle.domain.values import Value

MAX_DEPTH = 5
"""How far below what a person, schedule or trigger has started something may still be started."""

MOST_CALLS = 100
"""Of an automation and all that it calls, together."""


class ValueSource(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where a value comes from: it stands there, or is a variable's, an output's or a secret's."""

    value: Value | None = None
    variable: str = ""
    output: str = ""
    secret: str = ""


class Call(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Another template that is started, by its name, with values by the ids of its variables.

    Without a `version` it is the newest.
    """

    template: str
    version: int | None = None
    values: dict[str, ValueSource] = {}


class CalledBy(msgspec.Struct, frozen=True, kw_only=True):
    """Where an automation was called: by which one, under which fence, and at which place of it."""

    automation_id: str
    fence: int
    phase: int
    position: int


class CallState(StrEnum):
    """Where a called automation stands: it is yet to be made, was, is over, or could not start."""

    DUE = "due"
    STARTED = "started"
    ENDED = "ended"
    REFUSED = "refused"


class ChainEvent(StrEnum):
    """After which end of an automation another one is started.

    What has timed out has failed. A cancelled automation, and one that nobody can say the end of,
    starts nothing.
    """

    SUCCESS = "success"
    FAILURE = "failure"


class ChainState(StrEnum):
    """Where a chained start stands.

    `waiting`: the automation has not ended so. `due`: it has. `refused`: it could not start.
    `not_due`: it has ended otherwise, so this never starts; shown where `waiting` is stored.
    """

    WAITING = "waiting"
    NOT_DUE = "not_due"
    DUE = "due"
    STARTED = "started"
    REFUSED = "refused"
