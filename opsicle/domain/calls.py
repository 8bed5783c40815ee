"""What one template says of another one that it starts, and where the values come from."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from opsicle.domain.values import Value

MAX_DEPTH = 5
"""How far below what a person, schedule or trigger has started something may still be started."""


class ValueSource(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where a value comes from: it stands there, or is a variable's or an output's."""

    value: Value | None = None
    variable: str = ""
    output: str = ""


class Call(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Another template that is started, by its name, with values by the ids of its variables."""

    template: str
    values: dict[str, ValueSource] = {}


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
    """

    WAITING = "waiting"
    DUE = "due"
    STARTED = "started"
    REFUSED = "refused"
