"""Which worker can take an automation, and in an operator's words why none has yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from opsicle.domain.label_expressions import (
    LabelTerm,
    Operator,
    label_term,
    parse_expression,
    written,
)
from opsicle.domain.resume_points import KeptWorkspace
from opsicle.domain.templates import Phase, Template

SUBPROCESS = "subprocess"
CONTAINER = "container"
SSH = "ssh"

SHARED = "a shared worker"
"""What orgs hear of shared workers, in the place of a name."""


_MOST_NAMED = 3
"""More workers than that nobody reads of in one line."""


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What an automation asks of the worker that takes it.

    `where` is an expression over its labels, beside `labels`. `image_phase` names the first phase
    that has an image.

    `accepts_claimed`: a label that the worker only says of itself will do. `workspace`: only the
    worker will do that keeps this one. Both and `where` are left out where that is not so: what was
    stored before there were such choices still reads the same.
    """

    labels: dict[str, str] = {}
    runtimes: frozenset[str] = frozenset({SUBPROCESS})
    image_phase: str = ""
    accepts_claimed: bool | msgspec.UnsetType = msgspec.UNSET
    where: str | msgspec.UnsetType = msgspec.UNSET
    workspace: KeptWorkspace | msgspec.UnsetType = msgspec.UNSET

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
    of. `withheld` says why it is given nothing, `incompatible` by automation why no manifest format
    of its can express that one. Of one that is not connected, `seen_at` is when it last polled, if
    it ever did; `was_stopped`: it said that it would leave.
    """

    name: str
    worker_id: str = ""
    labels: dict[str, str] = {}
    claimed: dict[str, str] = {}
    disputed: frozenset[tuple[str, str]] = frozenset()
    withheld: str = ""
    incompatible: dict[str, str] = {}
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

    `ssh` if its job has a target; else `container` if it has an image, or `subprocess`.
    """
    if on_target:
        return SSH
    return CONTAINER if phase.image is not None else SUBPROCESS


def requirements(template: Template, workspace: KeptWorkspace | None = None) -> Requirements:
    """Return what a template's automations ask of a worker; one that goes on, its workspace too."""
    asked = phases_require(
        (*template.plan, *template.phases),
        template.runs_on,
        template.runs_on_where,
        accepts_claimed=template.accepts_claimed,
    )
    return msgspec.structs.replace(asked, workspace=workspace) if workspace else asked


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
    return is_able(candidate) and keeps_workspace(asked, candidate) and fits(asked, candidate)


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

    So it is with all that have the same; which of them keeps a workspace is another question.
    """
    return asked.runtimes <= candidate.runtimes and fits_labels(asked, candidate)


def fits_labels(asked: Requirements, candidate: Candidate) -> bool:
    """Return whether the worker's labels fulfil every term that is asked of them."""
    return all(_fulfils(term, candidate, asked.accepts_claimed is True) for term in asked.terms)


def keeps_workspace(asked: Requirements, candidate: Candidate) -> bool:
    """Return whether the worker is the one that keeps the workspace that is asked for, if any."""
    return not asked.workspace or asked.workspace.worker_id == candidate.worker_id


def _fulfils(term: LabelTerm, candidate: Candidate, accepts_claimed: bool) -> bool:
    """Return whether a worker's labels fulfil a term.

    What must be there was granted, unless the worker's word is enough; what must not be there
    nobody may have said.
    """
    labels, claimed = candidate.labels, candidate.claimed
    if not term.is_exclusion:
        value = labels.get(term.key)
        return term.holds(claimed.get(term.key) if value is None and accepts_claimed else value)

    said = (*labels.items(), *claimed.items(), *candidate.disputed)
    return all(term.holds(value) for key, value in said if key == term.key)


def waiting_reason(asked: Requirements, candidates: Sequence[Candidate]) -> str:
    """Say why no worker has taken an automation yet; "" if one could right now.

    The fleet is narrowed down one requirement at a time; the first that leaves nobody is the
    reason.
    """
    if asked.workspace:
        return _keeper_reason(asked, asked.workspace, candidates)
    if not candidates:
        return "no worker has enrolled yet"
    return _reason(asked, candidates)


def _keeper_reason(
    asked: Requirements, kept: KeptWorkspace, candidates: Sequence[Candidate]
) -> str:
    """Say why the one worker that keeps a workspace has not taken an automation yet."""
    keeper = [one for one in candidates if one.worker_id == kept.worker_id]
    reason = _reason(asked, keeper) if keeper else "that is not there any more"
    if not reason:
        return ""
    return (
        f"it waits for {kept.worker_name}, which keeps its workspace until {kept.until}: {reason}; "
        "or cancel it, and resume with --fresh-workspace"
    )


def _reason(asked: Requirements, candidates: Sequence[Candidate]) -> str:
    left = list(candidates)
    for narrow in (
        _with_labels,
        _connected,
        _with_runtimes,
        _not_draining,
        _available,
        _with_free_slot,
    ):
        left, reason = narrow(asked, left)
        if reason:
            return (
                reason
                if narrow in (_with_labels, _connected)
                else reason + _silent_alternatives(asked, candidates)
            )

    return ""


def absence(candidate: Candidate) -> str:
    """Return why an unconnected worker takes nothing, as in "w1 has not been heard of since …"."""
    if candidate.was_stopped:
        return "was stopped"
    if candidate.seen_at is None:
        return "is not connected"
    return f"has not been heard of since {candidate.seen_at:%Y-%m-%d %H:%M:%S} UTC"


def _silent_alternatives(asked: Requirements, candidates: Sequence[Candidate]) -> str:
    """Name, besides a reason, who could take it were it not dead: nobody stopped it."""
    silent = [
        f"; {one.name} would fit, but {absence(one)}"
        for one in candidates
        if not (one.is_connected or one.was_stopped)
        and fits_labels(asked, one)
        and asked.runtimes <= one.runtimes
    ]
    return "".join(silent[:_MOST_NAMED])


def waiting_kind(asked: Requirements, candidates: Sequence[Candidate]) -> str:
    """Say in one word what keeps an automation waiting, as `waiting_reason` does in a sentence.

    One of `no_worker`, `label`, `not_connected`, `runtime`, `draining`, `withheld`, `busy`, or
    `ready` if nothing does.
    """
    left = [one for one in candidates if keeps_workspace(asked, one)]
    if not left:
        return "no_worker"
    for kind, narrow in _KINDS.items():
        left, reason = narrow(asked, left)
        if reason:
            return kind
    return "ready"


_Narrowed = tuple[list[Candidate], str]


def _connected(asked: Requirements, candidates: list[Candidate]) -> _Narrowed:
    left = [candidate for candidate in candidates if candidate.is_connected]
    if left:
        return left, ""

    away = ", ".join(
        f"{candidate.name} {absence(candidate)}" for candidate in candidates[:_MOST_NAMED]
    )
    if not asked.terms and len(candidates) == 1:
        return [], f"{candidates[0].name} fits, but {absence(candidates[0])}"
    if not asked.terms:
        return [], f"none of the {len(candidates)} workers is connected: {away}"

    nobody = _nobody(asked.terms)
    if len(candidates) == 1:
        return [], f"{nobody}: {candidates[0].name} fits, but {absence(candidates[0])}"
    return [], f"{nobody}: {len(candidates)} would fit, but {away}"


def _with_labels(asked: Requirements, candidates: list[Candidate]) -> _Narrowed:
    left = [candidate for candidate in candidates if fits_labels(asked, candidate)]
    if left:
        return left, ""

    by_word = msgspec.structs.replace(asked, accepts_claimed=True)
    if claiming := [one.name for one in candidates if fits_labels(by_word, one)]:
        return [], _only_claimed(asked, claiming)

    for term in asked.terms:
        if not any(_fulfils(term, one, asked.accepts_claimed is True) for one in candidates):
            return [], _nobody([term])
    return [], _nobody(asked.terms)


def _nobody(terms: Sequence[LabelTerm]) -> str:
    """Say that no worker that is there fulfils these terms, be they plain labels or others."""
    is_one, wanted = len(terms) == 1, written(terms)
    if all(term.operator is Operator.EQUALS for term in terms):
        return f"no connected worker has {'label' if is_one else 'all of the labels'} {wanted}"
    return f"no connected worker fulfils {'' if is_one else 'all of '}`{wanted}`"


def _only_claimed(asked: Requirements, names: list[str]) -> str:
    wanted = written(term for term in asked.terms if not term.is_exclusion)
    whose = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    says = "says" if len(names) == 1 else "say"
    return (
        f"no connected worker was granted {wanted}: {whose} only {says} so "
        f"(`opsicle workers update {names[0]} --label …` grants labels)"
    )


def _with_runtimes(asked: Requirements, candidates: list[Candidate]) -> _Narrowed:
    left = [candidate for candidate in candidates if asked.runtimes <= candidate.runtimes]
    if left:
        return left, ""

    whose = "no connected worker" + (" with these labels" if asked.terms else "")
    if (
        not any(CONTAINER in candidate.runtimes for candidate in candidates)
        and CONTAINER in asked.runtimes
    ):
        return [], f"{whose} runs containers (phase `{asked.image_phase}` has an image)"
    if len(asked.runtimes) > 1:
        return [], f"{whose} runs both containers and subprocesses"
    return [], f"{whose} runs subprocesses (phases without an image)"


def _not_draining(asked: Requirements, candidates: list[Candidate]) -> _Narrowed:
    left = [candidate for candidate in candidates if not candidate.is_draining]
    if left:
        return left, ""
    if len(candidates) == 1:
        return [], f"{candidates[0].name} is draining"
    return [], f"all {len(candidates)} matching workers are draining"


def _available(asked: Requirements, candidates: list[Candidate]) -> _Narrowed:
    left = [candidate for candidate in candidates if not candidate.withheld]
    if left:
        return left, ""

    first = candidates[0]
    if len(candidates) == 1:
        return [], f"{first.name} is given no work: {first.withheld}"
    return (
        [],
        f"none of the {len(candidates)} matching workers is given work; "
        f"{first.name}: {first.withheld}",
    )


def _with_free_slot(asked: Requirements, candidates: list[Candidate]) -> _Narrowed:
    left = [candidate for candidate in candidates if candidate.busy < candidate.slots]
    if left:
        return left, ""

    if any(candidate.is_shared for candidate in candidates):
        is_one = len(candidates) == 1
        return [], f"{candidates[0].name} is busy" if is_one else "all matching workers are busy"

    slots = sum(candidate.slots for candidate in candidates)
    busy = sum(candidate.busy for candidate in candidates)
    taken = f"({busy} of {slots} slots)" if slots != 1 else "(its only slot)"
    if len(candidates) == 1:
        return [], f"{candidates[0].name} is busy {taken}"
    return [], f"all {len(candidates)} matching workers are busy {taken}"


_KINDS: dict[str, Callable[[Requirements, list[Candidate]], _Narrowed]] = {
    "label": _with_labels,
    "not_connected": _connected,
    "runtime": _with_runtimes,
    "draining": _not_draining,
    "withheld": _available,
    "busy": _with_free_slot,
}
