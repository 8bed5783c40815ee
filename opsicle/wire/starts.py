"""Messages about what starts automations."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from opsicle.domain.bounds import Name, Reason


class StarterKind(StrEnum):
    """What can start an automation."""

    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    SCHEDULE = "schedule"
    TRIGGER = "trigger"
    CHAIN = "chain"


class StartedBy(msgspec.Struct):
    """What started an automation: somebody by their address, or a schedule and the like by name.

    Whose rights it runs with, its `requester` says.
    """

    kind: StarterKind
    name: str


class ResumeRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Goes on where an automation has failed, or at an earlier phase (`phase_from`, by its name).

    `accept_unknown` is needed where nobody can say what that phase did: it may run twice.
    """

    phase_from: Name = ""
    accept_unknown: bool = False
    reason: Reason = ""
