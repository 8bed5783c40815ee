"""What is approved and what is run, in one canonical form.

So the two can be compared byte for byte.

A `Manifest` says all that an automation will do. People approve its digest; the server compares it
before every lease; a `WorkOrder` tells one worker to carry it out once, and is what the server
signs. Which fields are written is the format's to say: see `manifest_formats.py`, also for how to
add one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from opsicle.domain.automations import WorkerLost
from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import BoundFanOut, BoundMember, MemberOf
from opsicle.domain.bound_targets import BoundTarget
from opsicle.domain.calls import CalledBy
from opsicle.domain.files import InputFile
from opsicle.domain.manifest_formats import NEWEST, encode_in_format
from opsicle.domain.pauses import Resume
from opsicle.domain.resume_points import ResumePoint
from opsicle.domain.templates import (
    DEFAULT_PRIORITY,
    Concurrency,
    Phase,
    Value,
    VolumeMount,
)

NO_POLICY = "none"
"""What a manifest says of its policy if nobody has to be asked."""

ORDER_PURPOSE = b"opsicle order 1\n"
"""Stands before an order that is signed, so that no signature for another purpose is ever taken for
an order's."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that an automation will do, and for whom. Nothing in it is secret.

    `secret_variables` has a commitment for each secret variable that was given: SHA-256 in hex over
    the automation's salt and the value. `secrets` are names; their values may be rotated between
    approval and run. From format 2 on, `principal_id` is the person behind the requester when it
    was asked: the owner of a service account, else the requester; `policy` is the digest of a
    `PolicyAsked`, or `NO_POLICY`. `files` are the values of variables of type `file`, which stand
    in no other place of it. Before `phases` are ordered, `plan` is carried out by an order of its
    own; `evidence` is the digest of what that has shown ("" until then), `plan_outputs` what it
    hands on. One with a `fan_out` has no job: each of those machines gets an automation of its own,
    which is `member_of` it and for that machine alone. `only_worker` was chosen by whoever asked;
    it begins at `start_at` at the earliest. All phases run on `target`, where there is one.
    """

    format: int = NEWEST
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
    principal_id: str = ""
    policy: str = ""
    runs_on_where: str = ""
    priority: int = DEFAULT_PRIORITY
    concurrency: Concurrency | None = None
    resumed_from: ResumePoint | None = None
    calls: tuple[BoundCall, ...] = ()
    called_by: CalledBy | None = None
    files: tuple[InputFile, ...] = ()
    keep_workspace: int | None = None
    plan: tuple[Phase, ...] = ()
    plan_outputs: dict[str, str] = {}
    evidence: str = ""
    fan_out: BoundFanOut | None = None
    member_of: MemberOf | None = None
    target: BoundTarget | None = None
    only_worker: BoundMember | None = None
    start_at: datetime | None = None

    @property
    def first_phase(self) -> int:
        """The index of the phase at which it begins; not 0 where it goes on from another one."""
        return self.resumed_from.first_phase if self.resumed_from else 0

    def in_format(self, number: int) -> Manifest:
        """Return the same in another format.

        What format 1 has no field for is the server's to check, and no worker's.
        """
        if number >= 2:
            return msgspec.structs.replace(self, format=number)
        return msgspec.structs.replace(self, format=number, principal_id="", policy="")


class PolicyAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What an approval asks of whom, as it was when it was asked.

    `policy` is the JSON of it, as it is stored.
    """

    org_id: str
    approval_id: str
    policy_id: str
    policy_name: str
    policy_version: int
    policy_digest: str
    policy: str
    requester_id: str
    asked_at: datetime
    asked_seq: int

    def digest_in(self, number: int) -> str:
        """SHA-256 in hex of its canonical encoding in a format.

        What a manifest of that format says of its policy.
        """
        return digest(encode_in_format(self, number))


class BoundDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word on a gate, as a worker is shown it.

    `principal_id` (from format 2 on) is who stands behind.
    """

    gate: str
    decision: str
    user_id: str
    email: str
    with_mfa: bool
    decided_at: datetime
    principal_id: str = ""


class WorkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's permission to carry out one manifest once, until `expires_at`.

    `policy_digest` is "" without one.

    From format 2 on, `epoch` and `epoch_id` are the server's: a worker that has had a newer one
    carries nothing out. One with `resume` lets a paused job go on, and nothing begin. One that
    `is_plan` orders the manifest's plan alone, and none of its other phases.
    """

    format: int = NEWEST
    org_id: str
    worker_id: str
    automation_id: str
    job_id: str
    fence: int
    nonce: str
    manifest_digest: str
    policy_digest: str = ""
    decisions: tuple[BoundDecision, ...] = ()
    issued_at: datetime
    expires_at: datetime
    epoch: int = 0
    epoch_id: str = ""
    resume: Resume | None = None
    is_plan: bool = False

    def in_format(self, number: int) -> WorkOrder:
        """Return the same in another format.

        What that has no field for is nothing by which a worker goes.
        """
        if number >= 2:
            return msgspec.structs.replace(self, format=number)
        decisions = tuple(msgspec.structs.replace(each, principal_id="") for each in self.decisions)
        return msgspec.structs.replace(
            self, format=number, decisions=decisions, epoch=0, epoch_id=""
        )


def canonical(message: Manifest | WorkOrder) -> bytes:
    """Return the canonical encoding of a message in its own format.

    It is JSON in UTF-8 with sorted keys and no spaces.

    Raises FieldNotSupported if it holds what the format has no field for, KeyError for a format
    that is not supported.
    """
    return encode_in_format(message, message.format)


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def commitment(salt: bytes, text: str) -> str:
    """Return what a manifest says of a secret variable.

    With the salt the value can be checked, without it not guessed.
    """
    return digest(salt + text.encode())
