"""What a worker is handed to do, and what it says of how that went.

The same two messages serve `opsicle run FILE`, which has a runner but no server.
Times are Unix milliseconds in UTC by the worker's clock; durations are theirs to subtract.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec

from opsicle.domain.artifacts import ArtifactLimits
from opsicle.domain.automations import JobState
from opsicle.domain.bounds import Name, Word
from opsicle.domain.files import InputFile
from opsicle.domain.outputs import MAX_OUTPUT_BYTES, MAX_SUMMARY_BYTES
from opsicle.domain.resume_points import ResumePoint, was_run
from opsicle.domain.templates import Phase, VolumeMount

STDOUT = 1
STDERR = 2

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
"""A time, up to the end of the year 9999: what lies beyond is no date that could be shown."""

Offset = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A place in a log; greater numbers are not whole any more in a browser."""

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]

MAX_EXPLANATION = 2_000
"""The most characters that a worker says of how something went; the server keeps no more."""

Explanation = Annotated[str, msgspec.Meta(max_length=4 * MAX_EXPLANATION)]
"""What a worker says of how something went.

There is some room: a result must not be refused because an older worker explains it at length."""


class TargetAccess(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A host on which a job's phases run, and the private key (OpenSSH's) that lets them in.

    See `BoundTarget`, which says the same save the key. That is never written down or shown.
    """

    name: str
    host: str
    user: str
    host_keys: tuple[str, ...]
    key: str
    port: int = 22

    def __repr__(self) -> str:
        return f"TargetAccess(name={self.name!r})"


class Work(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Everything a runner needs to carry out one automation, and nothing it has to look up.

    `environment` has the values by the full name of their environment variable
    (`OPSICLE_VAR_SERVICE`), already text. `secret_environment` has those of secret variables;
    `secret_values` are the secrets by name, each for the phases that name it. Neither is ever
    written down or shown. (On the wire the three keep the names that workers know.) `withheld` says
    why something of this cannot be had: then nothing is run.

    `manifest` and `order` are canonical (see `domain/manifests.py`), `signature` proves the order,
    `secret_salt` is that of the manifest's commitments; all are empty where nobody gave an order,
    as in `opsicle run FILE`.

    `timeout` bounds the whole job in seconds; None leaves it to the phases' own. `max_log_bytes` is
    after how much output the rest is counted only; None: never. `artifact_limits` bound the files
    that it leaves behind. `files` are those that it is given, which the worker fetches before it
    starts. `resumed_from` says which phases another automation has done; `keep_workspace`, for how
    many seconds the workspace is kept of a job that does not go well. `is_plan`: these are the
    phases of the plan; `plan_outputs` are what it has handed on. `target` is the host on which all
    phases run, None for this machine.
    """

    automation_id: str
    job_id: str
    fence: int
    template: str
    requester: str
    phases: tuple[Phase, ...]
    environment: dict[str, str] = msgspec.field(default_factory=dict, name="variables")
    secret_environment: dict[str, str] = msgspec.field(
        default_factory=dict, name="secret_variables"
    )
    secret_values: dict[str, str] = msgspec.field(default_factory=dict, name="secrets")
    withheld: str = ""
    volume_mounts: tuple[VolumeMount, ...] = ()
    timeout: int | None = None
    manifest: bytes = b""
    order: bytes = b""
    signature: bytes = b""
    secret_salt: bytes = b""
    max_log_bytes: int | None = None
    artifact_limits: ArtifactLimits = ArtifactLimits()
    files: tuple[InputFile, ...] = ()
    resumed_from: ResumePoint | None = None
    keep_workspace: int | None = None
    is_plan: bool = False
    plan_outputs: dict[str, str] = {}
    target: TargetAccess | None = None

    def __repr__(self) -> str:
        facts = f"job_id={self.job_id!r}, fence={self.fence}"
        return f"Work(automation_id={self.automation_id!r}, {facts})"


class StepState(StrEnum):
    """Where a phase or a command of it stands.

    `skipped`: its `when` did not hold, or an earlier one failed. `done_before`: the automation that
    this one goes on from has done it.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    DONE_BEFORE = "done_before"


class CommandReport(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One command of a phase. `log_offset` is the job's log offset at which its output begins."""

    state: StepState = StepState.PENDING
    started_at_ms: Milliseconds | None = None
    finished_at_ms: Milliseconds | None = None
    exit_code: Int32 | None = None
    log_offset: Offset | None = None


CommandReports = Annotated[list[CommandReport], msgspec.Meta(max_length=1_000)]
"""As many as a phase can have commands."""


class PhaseOutput(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A value that a phase has handed on, as everybody may see it.

    `is_masked`: it held a secret, so that this is not what later phases of the job got.
    """

    name: Word
    value: Annotated[str, msgspec.Meta(max_length=2 * MAX_OUTPUT_BYTES)]
    is_masked: bool = False


PhaseOutputs = Annotated[tuple[PhaseOutput, ...], msgspec.Meta(max_length=50)]
"""As many as a phase can declare."""

Summary = Annotated[str, msgspec.Meta(max_length=2 * MAX_SUMMARY_BYTES)]


MAX_TRY_EXPLANATION = 200
"""Characters; a phase may have a hundred tries."""


class FailedTry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A try of a phase that was followed by another one.

    `log_offset` is the job's log offset at which its output begins.
    """

    exit_code: Int32 | None = None
    explanation: Annotated[str, msgspec.Meta(max_length=4 * MAX_TRY_EXPLANATION)] = ""
    started_at_ms: Milliseconds | None = None
    finished_at_ms: Milliseconds | None = None
    log_offset: Offset | None = None


FailedTries = Annotated[tuple[FailedTry, ...], msgspec.Meta(max_length=500)]
"""More than a phase can have retries."""


class PhaseReport(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One phase of a job; `commands` stand in the template's order.

    `tries` counts its attempts, of which `failed_tries` are those before the last. `explanation`
    says what happened where the state alone does not ("timed out after 60 s"). Where it cannot be
    told where one command ends and the next begins (one `if` over several lines), `commands` is
    empty. `outputs` and `summary` (Markdown) are what its last try has left.
    """

    name: Name
    state: StepState = StepState.PENDING
    started_at_ms: Milliseconds | None = None
    finished_at_ms: Milliseconds | None = None
    exit_code: Int32 | None = None
    tries: Int32 = 0
    explanation: Explanation = ""
    commands: CommandReports = []
    outputs: PhaseOutputs = ()
    summary: Summary = ""
    failed_tries: FailedTries = ()


PhaseReports = Annotated[tuple[PhaseReport, ...], msgspec.Meta(max_length=500)]
"""More than a template can have phases."""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a job ended. `exit_code` is that of the phase that decided it.

    `kept_until_ms`: until when the worker keeps its workspace, None if it does not.
    """

    state: JobState
    phases: PhaseReports
    exit_code: Int32 | None = None
    explanation: Explanation = ""
    kept_until_ms: Milliseconds | None = None


def first_reports(phases: Sequence[Phase], point: ResumePoint | None) -> tuple[PhaseReport, ...]:
    """Return how far the phases of a job are before anything of it has run."""
    reports = tuple(PhaseReport(name=phase.name) for phase in phases)
    if point is None:
        return reports

    for phase, report in zip(phases[: point.first_phase], reports, strict=False):
        report.state = StepState.DONE_BEFORE if was_run(phase) else StepState.SKIPPED
        report.outputs = tuple(
            PhaseOutput(name=name, value=value)
            for name, value in point.outputs.get(phase.name, {}).items()
        )
    return reports


def outputs_of(reports: Iterable[PhaseReport]) -> dict[str, str]:
    """Return all outputs of a job by name, as everybody may see them."""
    return {output.name: output.value for report in reports for output in report.outputs}


def masked_outputs(reports: Iterable[PhaseReport]) -> list[str]:
    """Return which outputs of a job hold a secret, so that nobody else can be given them."""
    return [output.name for report in reports for output in report.outputs if output.is_masked]


def outputs_digest(reports: Iterable[PhaseReport]) -> str:
    """Return SHA-256 in hex of all outputs of a job, by which the record knows them; "" of none."""
    outputs = [[each.name, each.value, each.is_masked] for one in reports for each in one.outputs]
    return hashlib.sha256(msgspec.json.encode(outputs)).hexdigest() if outputs else ""


def phases_digest(reports: Iterable[PhaseReport]) -> str:
    """Return SHA-256 in hex of how the phases of a job went and what they handed on."""
    reported = [[each.name, each.state, each.outputs] for each in reports]
    return hashlib.sha256(msgspec.json.encode(reported)).hexdigest()


def summary_of(reports: Iterable[PhaseReport]) -> str:
    """Return a job's summary: those of its phases, in their order."""
    return "\n\n".join(report.summary.strip("\n") for report in reports if report.summary)
