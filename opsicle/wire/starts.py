"""Messages about what starts automations."""

from __future__ import annotations

from enum import StrEnum

import msgspec


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
