"""Which worker can take an automation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from opsicle.domain.bound_fan_outs import BoundMember
from opsicle.domain.label_expressions import LabelTerm, label_term, parse_expression
from opsicle.domain.resume_points import KeptWorkspace
from opsicle.domain.templates import Phase, Template

EPHEMERAL_SILENT_SECONDS = 300
"""Unless told: after so long a silence an ephemeral worker has died."""

SUBPROCESS = "subprocess"
CONTAINER = "container"
SSH = "ssh"
SLURM = "slurm"
KUBERNETES = "kubernetes"

NO_RUNTIME = "none"
"""What no worker offers: asked for by what runs on several machines, and is given to none."""

SHARED = "a shared worker"
"""What orgs hear of shared workers, in the place of a name."""


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What an automation asks of the worker that takes it.

    `where` is an expression over its labels, beside `labels`. `image_phase` names the first phase
    that has an image.

    `accepts_claimed`: a label that the worker only says of itself will do. `workspace`: only the
    worker will do that keeps this one. `worker`: only this one will. All three and `where` are left
    out where that is not so: what was stored before there were such choices still reads the same.
    """

    labels: dict[str, str] = {}
    runtimes: frozenset[str] = frozenset({SUBPROCESS})
    image_phase: str = ""
    accepts_claimed: bool | msgspec.UnsetType = msgspec.UNSET
    where: str | msgspec.UnsetType = msgspec.UNSET
    workspace: KeptWorkspace | msgspec.UnsetType = msgspec.UNSET
    worker: BoundMember | msgspec.UnsetType = msgspec.UNSET

    @property
    def only_worker(self) -> str:
        """The id of the one worker that will do, "" if there is no such."""
        if self.worker:
            return self.worker.worker_id
        return self.workspace.worker_id if self.workspace else ""

    @property
    def terms(self) -> tuple[LabelTerm, ...]:
        """All that is asked of its labels, one term after another."""
        return _terms(self.labels, self.where or "")


def _terms(labels: Mapping[str, str], where: str) -> tuple[LabelTerm, ...]:
    exact = tuple(label_term(key, value) for key, value in labels.items())
    return exact + parse_expression(where) if where else exact


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What the server knows of a worker at this moment. `busy` of its `slots` are taken.

    How many those of a shared one are is never said: they may be another org's. `labels` are
    granted, `claimed` are those that it only says of itself. `disputed` are those that only count
    where an expression excludes them: what it says against a grant, and what it has not been told
    of. `withheld` says why it is given nothing, `put_off` by automation why it is not given that
    one just now: there was no room for its files. `unsupported` are automations that no manifest
    format of its can express. Of one that is not connected, `seen_at` is when it last polled, if
    it ever did; `was_stopped`: it said that it would leave.
    """

    name: str
    worker_id: str = ""
    labels: dict[str, str] = {}
    claimed: dict[str, str] = {}
    disputed: frozenset[tuple[str, str]] = frozenset()
    withheld: str = ""
    put_off: dict[str, str] = {}
    unsupported: frozenset[str] = frozenset()
    runtimes: frozenset[str] = frozenset({SUBPROCESS})
    slots: int = 1
    busy: int = 0
    is_connected: bool = True
    seen_at: datetime | None = None
    was_stopped: bool = False
    is_draining: bool = False
    is_shared: bool = False


def runtime_of(phase: Phase, *, on_target: bool = False) -> str:
    """Return which kind of runtime a phase needs.

    `ssh` if its job has a target; else `slurm` or `kubernetes` if it says so, `container` if it
    has an image, or `subprocess`.
    """
    if on_target:
        return SSH
    if phase.slurm is not None:
        return SLURM
    if phase.kubernetes is not None:
        return KUBERNETES
    return CONTAINER if phase.image is not None else SUBPROCESS


def requirements(
    template: Template,
    workspace: KeptWorkspace | None = None,
    member: BoundMember | None = None,
    *,
    is_fan_out: bool = False,
) -> Requirements:
    """Return what a template's automations ask of a worker.

    One that goes on asks for its workspace too; a part of one on several machines for its worker,
    or for one that reaches its target. That one itself (`is_fan_out`) is handed to none.
    """
    if is_fan_out:
        return Requirements(runtimes=frozenset({NO_RUNTIME}))
    if member and member.target:
        return Requirements(
            labels=member.labels,
            runtimes=frozenset({SSH}),
            where=member.where or msgspec.UNSET,
        )
    asked = phases_require(
        (*template.plan, *template.phases),
        template.runs_on,
        template.runs_on_where,
        accepts_claimed=template.accepts_claimed,
    )
    if member and member.worker_id:
        asked = msgspec.structs.replace(asked, worker=member)
    return msgspec.structs.replace(asked, workspace=workspace) if workspace else asked


def encoded(asked: Requirements) -> str:
    """Return requirements as they are stored: what asks for the same is spelled alike."""
    return msgspec.json.encode(asked, order="sorted").decode()


def phases_require(
    phases: Iterable[Phase],
    labels: dict[str, str],
    where: str = "",
    *,
    accepts_claimed: bool = False,
) -> Requirements:
    """Return what these phases ask of a worker, together with the labels it must have."""
    phases = tuple(phase for phase in phases if not phase.is_waiting)
    with_image = [phase.name for phase in phases if phase.image is not None]
    return Requirements(
        labels=labels,
        runtimes=frozenset(map(runtime_of, phases)),
        image_phase=with_image[0] if with_image else "",
        accepts_claimed=accepts_claimed or msgspec.UNSET,
        where=where or msgspec.UNSET,
    )


def can_take(asked: Requirements, candidate: Candidate) -> bool:
    """Return whether the worker could be handed such an automation right now."""
    return is_able(candidate) and is_meant(asked, candidate) and fits(asked, candidate)


def is_able(candidate: Candidate) -> bool:
    """Return whether the worker could be handed anything right now."""
    return (
        candidate.is_connected
        and not candidate.is_draining
        and not candidate.withheld
        and candidate.busy < candidate.slots
    )


def fits(asked: Requirements, candidate: Candidate) -> bool:
    """Return whether the worker has the labels and the runtimes, whatever else it does just now.

    So it is with all that have the same; which of them is meant is another question.
    """
    return asked.runtimes <= candidate.runtimes and fits_labels(asked, candidate)


def fits_labels(asked: Requirements, candidate: Candidate) -> bool:
    """Return whether the worker's labels fulfil every term that is asked of them."""
    return all(fulfils(term, candidate, asked.accepts_claimed is True) for term in asked.terms)


def is_meant(asked: Requirements, candidate: Candidate) -> bool:
    """Return whether the worker is the one that is asked for, where only one will do."""
    return asked.only_worker in {"", candidate.worker_id}


def fulfils(term: LabelTerm, candidate: Candidate, accepts_claimed: bool) -> bool:
    """Return whether a worker's labels fulfil a term.

    What must be there was granted, unless the worker's word is enough; what must not be there
    nobody may have said.
    """
    labels, claimed = candidate.labels, candidate.claimed
    if not term.is_exclusion:
        value = labels.get(term.key)
        return term.holds(claimed.get(term.key) if value is None and accepts_claimed else value)

    all_labels = (*labels.items(), *claimed.items(), *candidate.disputed)
    return all(term.holds(value) for key, value in all_labels if key == term.key)
