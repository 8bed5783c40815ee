"""Messages about workers, for people and programs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from opsicle.domain.bounds import Labels
from opsicle.wire.jobs import Int32


class CreateJoinTokenRequest(
    msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Asks for the secret with which one worker can enrol, or as many as `uses` says.

    `ttl_seconds` from 60 to 86,400; 15 minutes unless told. `is_shared`: for a worker that serves
    many orgs. `labels` are what the worker is granted, and nothing else is; None: whatever it says
    of itself when it enrols. With more than one use `labels` must be said, `uses` is at most
    100,000, and the token may live for 90 days.
    """

    ttl_seconds: Int32 = 900
    is_shared: bool = False
    labels: Labels | None = None
    uses: Int32 = 1


class NewJoinToken(msgspec.Struct, kw_only=True):
    """The secret with which a worker enrols, shown once."""

    token: str
    id: str
    expires_at: datetime


class OpenJoinToken(msgspec.Struct, kw_only=True):
    """A join token that can still be used; its secret is nowhere shown again.

    `uses` of `max_uses` workers have enrolled. `labels` as they were asked for; `created_by` is an
    e-mail address.
    """

    id: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    labels: dict[str, str] | None
    max_uses: int
    uses: int


class UpdateWorkerRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Grants labels, in the place of all that the worker was granted before."""

    labels: Labels


class Worker(msgspec.Struct, kw_only=True):
    """A worker as the server knows it.

    `busy` is the number of jobs that it holds, a shared one's of all orgs. `labels` are what it
    says of itself, `granted_labels` those that decide what it is handed; what it only says counts
    where a template accepts that. `withheld` says why it is given no work; `clock_offset_seconds`
    how far its clock is ahead of the server's (behind: negative), None where that is not known.
    `unknown_jobs` are jobs that it holds and that the server has never heard of, as after a
    restore. `formats` are those of manifests that it speaks, empty until it has polled.
    So is `limits_by`, which says by what each kind of phase has its limits kept. One that
    `is_ephemeral` leaves after a few jobs; then, or after long silence, it is revoked. One that
    `is_behind` is of an earlier release than the server.
    """

    id: str
    name: str
    state: Literal["active", "draining", "revoked"]
    is_connected: bool
    labels: dict[str, str]
    granted_labels: dict[str, str]
    withheld: str
    clock_offset_seconds: int | None
    unknown_jobs: list[str] = []
    formats: list[int] = []
    runtimes: list[str]
    limits_by: dict[str, str] = {}
    slots: int
    busy: int
    is_shared: bool = False
    is_ephemeral: bool = False
    program_version: str
    is_behind: bool = False
    certificate_expires_at: datetime
    created_at: datetime
    last_seen_at: datetime | None = None
