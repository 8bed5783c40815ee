"""What is approved and what is run, in one canonical form, so that the two can be compared byte for byte.

A `Manifest` says all that an automation will do. People approve its digest; the server compares it before every
lease; an `Order` tells one worker to carry it out once, and is what the server signs.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from opsicle.domain.automations import WorkerLost
from opsicle.domain.templates import Phase, Value, VolumeMount

MANIFEST_FORMAT = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that an automation will do, and for whom. Nothing in it is secret.

    `secret_variables` has a commitment for each secret variable that was given: SHA-256 in hex over the automation's
    salt and the value. `secrets` are names; their values may be rotated between approval and run.
    """

    format: int = MANIFEST_FORMAT
    org_id: str
    automation_id: str
    template: str
    version: int
    template_digest: str
    phases: tuple[Phase, ...]
    values: dict[str, Value]
    secret_variables: dict[str, str]
    secrets: tuple[str, ...]
    volume_mounts: tuple[VolumeMount, ...]
    runs_on: dict[str, str]
    timeout: int | None
    on_worker_lost: WorkerLost
    requester_id: str
    requester: str
    reason: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word on a gate, as a worker is shown it."""

    gate: str
    decision: str
    user_id: str
    email: str
    with_mfa: bool
    decided_at: datetime


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's permission to carry out one manifest once, until `expires_at`. `policy_digest` is "" without one."""

    format: int = MANIFEST_FORMAT
    org_id: str
    worker_id: str
    automation_id: str
    job_id: str
    fence: int
    nonce: str
    manifest_digest: str
    policy_digest: str = ""
    decisions: tuple[Decision, ...] = ()
    issued_at: datetime
    expires_at: datetime


def canonical(message: msgspec.Struct) -> bytes:
    """The one spelling of a message: JSON in UTF-8 with sorted keys, no spaces, every field present."""
    return msgspec.json.encode(_whole(message), order="sorted")


def commitment(salt: str, value: Value) -> str:
    """SHA-256 in hex that binds a manifest to a secret value without showing it."""
    return hashlib.sha256(msgspec.json.encode([salt, value])).hexdigest()


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def _whole(value: object) -> object:
    """Structs as mappings with their defaults too, so that a default changed later changes no digest silently."""
    if isinstance(value, msgspec.Struct):
        return {name: _whole(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(item) for item in value]
    return value
