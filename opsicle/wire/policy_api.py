"""Messages about approval policies."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.policies import Gate, GateOrder, Scope
from opsicle.wire.user_api import Person


class PolicyVersionSummary(msgspec.Struct, kw_only=True):
    """One version in a list; of a list of policies, the newest one.

    `is_default`: it applies by itself to something that names no policy.
    """

    name: str
    version: int
    digest: str
    gate_names: list[str]
    is_default: bool
    pushed_by: Person
    pushed_at: datetime
    message: str = ""


class PolicyVersion(msgspec.Struct, kw_only=True):
    """One version whole: `source` is the document as it was pushed, less what was secret in it."""

    name: str
    version: int
    latest_version: int
    digest: str
    order: GateOrder
    gates: list[Gate]
    applies_to: list[Scope]
    source: str
    pushed_by: Person
    pushed_at: datetime
    message: str = ""
