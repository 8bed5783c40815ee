"""Messages between worker and server. `endpoints/enrol.py` and `endpoints/jobs.py` have the calls.

Enrolment is JSON on the users' listener. All else goes over mutual TLS with MessagePack bodies
(`application/msgpack`); errors are RFC 9457 problems as JSON everywhere. The certificate says who
the worker is; no message does.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from opsicle.domain.artifacts import MAX_PATH_BYTES
from opsicle.domain.automations import JobState
from opsicle.domain.bounds import Labels, Name, Pem, Word
from opsicle.domain.manifest_formats import BEFORE_FORMATS
from opsicle.wire.audit import SeenCheckpoint
from opsicle.wire.jobs import Explanation, Int32, Milliseconds, Offset, Outcome, PhaseReports, Work

LEASE_SECONDS = 30
POLL_SECONDS = 30
MAX_CHUNK_BYTES = 64 * 1024
MAX_LOG_REQUEST_BYTES = 1024 * 1024
"""The most log bytes in one request: the worker splits, the server refuses more."""

MAX_CHUNKS = 128 * 1024
"""More chunks than fit into a request when each of them has one byte."""

MAX_LISTED_JOBS = 2_000
"""Twice the most slots that a worker can have.

The server looks each of them up while everybody's changes wait."""

MAX_STANDBY_URLS = 7
"""Beside the server's own; each that is dead may cost a worker ten seconds."""

MAX_ARTIFACT_BYTES = 512 * 1024
"""The most of an artifact in one request."""

ArtifactBytes = Annotated[bytes, msgspec.Meta(max_length=MAX_ARTIFACT_BYTES)]
ArtifactPath = Annotated[str, msgspec.Meta(max_length=MAX_PATH_BYTES)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]

ChunkBytes = Annotated[bytes, msgspec.Meta(max_length=MAX_CHUNK_BYTES)]
Chunk = tuple[Offset, Int32, Int32, Milliseconds, ChunkBytes]
"""Offset in the job's log, index of the phase, stream (1 stdout, 2 stderr), time, bytes.

Chunks stand in the order of their offsets."""

Chunks = Annotated[tuple[Chunk, ...], msgspec.Meta(max_length=MAX_CHUNKS)]

Formats = Annotated[tuple[Int32, ...], msgspec.Meta(max_length=16)]
"""Formats of manifests and orders that one reads (see `domain/manifest_formats.py`).

Who does not say speaks the first alone."""


class EnrolRequest(msgspec.Struct, kw_only=True):
    """Asks, with a join token, for an identity.

    `mac` is base64 (see `security/join_token.py` for what it covers). `sent_at_ms` is the worker's
    time, which `mac` does not cover: a clock that is off is refused before the token is spent. None
    from a worker that does not say it. `is_ephemeral`: it leaves after a few jobs, and its identity
    ends with it.
    """

    token_id: Word
    csr_pem: Pem
    name: Name
    labels: Labels
    slots: Int32
    mac: Name
    sent_at_ms: Milliseconds | None = None
    is_ephemeral: bool = False


class WorkerAddress(msgspec.Struct, kw_only=True):
    """Where this server takes workers.

    `ca_fingerprint` tells a worker whether the server is its own. It proves nothing: that the
    server at `worker_url` is the right one is for TLS to show.
    """

    worker_url: str
    ca_fingerprint: str


class EnrolReply(msgspec.Struct, kw_only=True):
    """The identity that the server chose.

    `body` is the JSON of an `Enrolment`, `mac` its proof, base64.
    """

    body: str
    mac: str


class Enrolment(msgspec.Struct, kw_only=True):
    """What `EnrolReply.body` holds: all the worker needs from now on.

    `is_shared`: it works for every org that lets it, and `org` is `provider`, which is no org's
    code. `order_key_pem` is the public key by which the worker knows an order of its server. It
    comes no other way. `server_urls` as in a `PollReply`.
    """

    worker_id: str
    org: str
    org_id: str
    name: str
    certificate_pem: str
    ca_pem: str
    order_key_pem: str
    worker_url: str
    request_digest: str
    is_shared: bool = False
    server_urls: tuple[str, ...] = ()


class RunningJob(msgspec.Struct, frozen=True):
    """A job that the worker holds, leased or running."""

    job_id: Word
    fence: int


class SignedOrder(msgspec.Struct, frozen=True):
    """An order as it was signed: it shows in which epoch of the server it was given."""

    order: Annotated[bytes, msgspec.Meta(max_length=256 * 1024)]
    signature: Annotated[bytes, msgspec.Meta(max_length=64)]


class RanAutomation(msgspec.Struct, frozen=True):
    """An automation that the worker has begun, and when by its own clock."""

    automation_id: Word
    began_at_ms: Milliseconds


class PollRequest(msgspec.Struct, kw_only=True):
    """Asks for work, saying what the worker is and has. Held open while there is nothing to say.

    It is also the heartbeat: it renews the lease of every job in `jobs`. `boot_id` names this
    instance of the worker's process, `sent_at_ms` is its time. (`program_version` keeps on the wire
    the name that servers know.)

    `labels` are what it says of itself; `granted` what the server has told it beyond them (see
    `PollReply`): it is given only what it knows itself to fit. `formats` are those of manifests and
    orders that it reads. `limits_by` says by what each kind of phase has its limits kept
    ("cgroup v2", "rlimits", "podman").

    `paused` are jobs that wait for people: it keeps their workspaces, and no slot or lease for
    them. `resumes_only`: it takes nothing new, and yet what it has paused.

    `history_rewritten` says how the org's audit record contradicts what the worker has seen of it;
    "" if it does not. `newer_epoch` shows a server that there was a later state than its own; `ran`
    is what this worker has begun lately, for a server that wants to know (see `PollReply`).
    """

    boot_id: Word
    program_version: Word = msgspec.field(name="version")
    labels: Labels
    slots: Int32
    free_slots: Int32
    runtimes: Annotated[tuple[Word, ...], msgspec.Meta(max_length=16)]
    jobs: Annotated[tuple[RunningJob, ...], msgspec.Meta(max_length=MAX_LISTED_JOBS)] = ()
    is_draining: bool = False
    is_leaving: bool = False
    wait_seconds: Int32 = POLL_SECONDS
    history_rewritten: Explanation = ""
    sent_at_ms: Milliseconds | None = None
    granted: Labels = {}
    formats: Formats = BEFORE_FORMATS
    newer_epoch: SignedOrder | None = None
    paused: Annotated[tuple[RunningJob, ...], msgspec.Meta(max_length=MAX_LISTED_JOBS)] = ()
    ran: Annotated[tuple[RanAutomation, ...], msgspec.Meta(max_length=MAX_LISTED_JOBS)] = ()
    limits_by: Labels = {}
    resumes_only: bool = False


class PollReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """New work, and what is to become of the jobs that the worker has.

    `cancel`: a person asked for that; `drop`: their lease is gone; `drain`: take no more.
    `withheld` says why this worker is given no work at all ("its clock is 3 h ahead of the
    server's"). An answer without work brings the newest `checkpoint` of the org's audit record.

    `granted` are the labels that it was granted beyond what it says of itself, where that is not
    what its poll said. `formats` are those of manifests and orders that the server writes. `epoch`
    and `epoch_id` are the server's; `wants_ran`: after a restore it does not know what its workers
    have run. `server_urls` are the addresses at which this server, or whoever takes over from it,
    is to be looked for, its own first; None from a server that does not say.
    """

    work: tuple[Work, ...] = ()
    cancel: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    drain: bool = False
    log_interval_ms: int = 100
    checkpoint: SeenCheckpoint | None = None
    withheld: str = ""
    granted: dict[str, str] | None = None
    formats: Formats = BEFORE_FORMATS
    epoch: int = 0
    epoch_id: str = ""
    wants_ran: bool = False
    server_urls: tuple[str, ...] | None = None


class StartRequest(msgspec.Struct):
    """Asks whether a leased job may begin. Only after the answer is anything executed.

    The error `lease_lost` in answer means: drop the job.
    """

    fence: int


class RefuseRequest(msgspec.Struct):
    """Says, instead of a start, that the order does not fit the job, so that nothing was run.

    `is_untimely`: by the worker's clock it is not now that the order counts; another worker may
    well carry it out. So may one that has room, if this one `lacks_room` for the job's files.
    `sent_at_ms` is the worker's time. `newer_epoch`: the order comes from an older state of the
    server than this.
    """

    fence: int
    reason: Explanation
    is_untimely: bool = False
    sent_at_ms: Milliseconds | None = None
    newer_epoch: SignedOrder | None = None
    lacks_room: bool = False


class PauseRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Says that a job waits for people at a phase. The same request again gets the same answer.

    `phase` is its index, `phases` is how far all are; the log comes as with a `FinishRequest`. Once
    the answer says `paused`, the job has no lease and its slot is free; any other state means that
    nobody is asked.
    """

    fence: int
    phase: Int32
    phases: PhaseReports
    log_bytes: Offset
    chunks: Chunks = ()
    is_after_loss: bool = False


class LogRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Brings output, and how far the phases are where that changed.

    `is_after_loss`: what comes before the chunks was delivered, the server has lost it, and nobody
    has it any more.
    """

    fence: int
    is_after_loss: bool = False
    chunks: Chunks = ()
    phases: PhaseReports | None = None


class LogReply(msgspec.Struct):
    """The offset up to which the log is durable, and may leave the worker's spool."""

    durable_to: int


class ArtifactRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Brings a part of a file that a phase left behind, or says why it is not kept (`problem`).

    `size` and `sha256` (hex) are the whole file's; `data` begins at `offset`. Sent again, also from
    the beginning, it changes nothing. A `path` that a later phase brings anew takes the place of
    the earlier one.
    """

    fence: int
    phase: Int32
    path: ArtifactPath
    size: Offset = 0
    sha256: Sha256 = ""
    offset: Offset = 0
    data: ArtifactBytes = b""
    problem: Explanation = ""


class ArtifactReply(msgspec.Struct):
    """How much of the file is here: from there on more is wanted.

    `is_settled`: it is durable, or refused for good. Only then may the worker's own copy go.
    """

    received: int
    is_settled: bool = False


class FileRequest(msgspec.Struct):
    """Asks for a part of a file that a leased job is given, by its SHA-256 (hex)."""

    fence: int
    sha256: Sha256
    offset: Offset = 0


class FileReply(msgspec.Struct):
    """The bytes of the file from `offset` on; none behind its end."""

    data: ArtifactBytes


class FinishRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Says how a job ended. The same request again gets the same answer.

    `log_bytes` is the whole log's length: the server refuses to finish with a part missing. The
    last chunks may ride along, so that a short job needs no log call of its own. `is_slot_free`:
    the worker would take another job in its place. `is_after_loss` as in a `LogRequest`, `boot_id`
    as in a poll: an end as `unknown` is taken from an instance that polls, once that is clearly the
    only one.
    """

    fence: int
    outcome: Outcome
    log_bytes: Offset
    chunks: Chunks = ()
    is_slot_free: bool = False
    is_after_loss: bool = False
    boot_id: Word = ""


class FinishReply(msgspec.Struct, omit_defaults=True):
    """The end is recorded.

    `state` is the job's state after the call; `work` is what to do next, as in a poll's answer.
    """

    state: JobState
    work: tuple[Work, ...] = ()


class Done(msgspec.Struct):
    """What the worker said is recorded. `state` is the job's state after the call."""

    state: JobState


LeaveReason = Literal["done", "idle", "stopped"]
"""Why an ephemeral worker leaves: it has had its jobs, none came, or somebody stopped it."""


class LeaveRequest(msgspec.Struct):
    """Says that an ephemeral worker holds nothing and will not come back: its identity may end."""

    reason: LeaveReason


class LeaveReply(msgspec.Struct):
    """The worker's identity has ended; the same request again is refused as a revoked one's."""

    name: str


class RenewRequest(msgspec.Struct):
    """Asks for a new certificate for the same identity, at about half the old one's lifetime."""

    csr_pem: Pem


class RenewReply(msgspec.Struct):
    """The new certificate, and the CA's (which may have been renewed too)."""

    certificate_pem: str
    ca_pem: str
