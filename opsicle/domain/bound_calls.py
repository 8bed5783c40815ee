"""What an automation was bound to call when it was triggered."""

from __future__ import annotations

import msgspec

from opsicle.domain.bound_fan_outs import BoundFanOut


class BoundCall(msgspec.Struct, frozen=True, kw_only=True):
    """A template that an automation calls, as it was when that was triggered.

    `phase` and `position` say where in its own template, from 0 on; `calls` are those of the
    called one, and `fan_out` the machines on which that runs, if it runs on several.
    """

    phase: int
    position: int
    template: str
    template_id: str
    version: int
    digest: str
    calls: tuple[BoundCall, ...] = ()
    fan_out: BoundFanOut | None = None
