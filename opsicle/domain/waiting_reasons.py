"""Why no worker has taken an automation yet, in an operator's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from opsicle.domain.label_expressions import LabelTerm, Operator, written
from opsicle.domain.resume_points import KeptWorkspace
from opsicle.domain.workers import (
    CONTAINER,
    KUBERNETES,
    NO_RUNTIME,
    SLURM,
    SSH,
    SUBPROCESS,
    Candidate,
    Requirements,
    fits,
    fits_labels,
    fulfils,
    is_meant,
)

_MOST_NAMED = 3
"""More workers than that nobody reads of in one line."""


def waiting_reason(asked: Requirements, candidates: Sequence[Candidate]) -> str:
    """Say why no worker has taken an automation yet; "" if one could right now.

    The fleet is narrowed down one requirement at a time; the first that leaves nobody is the
    reason.
    """
    if NO_RUNTIME in asked.runtimes:
        return "it is about to begin on its machines"
    if asked.workspace:
        return _keeper_reason(asked, asked.workspace, candidates)
    if asked.worker:
        reason = _reason_of_one(asked, candidates)
        return reason and f"it is for {asked.worker.name} alone: {reason}"
    if not candidates:
        return "no worker has enrolled yet"
    return _reason(asked, candidates)


def unsupported_reason(
    asked: Requirements, candidates: Sequence[Candidate], automation_id: str, number: int
) -> str:
    """Say why an automation waits of which some workers cannot be told all; "" if one could.

    `number` is the format of its manifest. They are too old for it, and the reason where no other
    one is connected that it would fit.
    """
    others = [one for one in candidates if automation_id not in one.unsupported]
    too_old = [one for one in candidates if one not in others and _would_fit(asked, one)]
    if not too_old:
        return waiting_reason(asked, candidates)
    if any(_would_fit(asked, one) for one in others):
        return waiting_reason(asked, others)

    names = list(dict.fromkeys(one.name for one in too_old))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (
        f"no connected worker understands manifest format {number}; "
        f"update {', '.join(names[:_MOST_NAMED])}{more}"
    ) + _silent_alternatives(asked, others)


def _would_fit(asked: Requirements, one: Candidate) -> bool:
    return one.is_connected and is_meant(asked, one) and fits(asked, one)


def _keeper_reason(
    asked: Requirements, kept: KeptWorkspace, candidates: Sequence[Candidate]
) -> str:
    """Say why the one worker that keeps a workspace has not taken an automation yet."""
    reason = _reason_of_one(asked, candidates)
    if not reason:
        return ""
    return (
        f"it waits for {kept.worker_name}, which keeps its workspace until {kept.until}: {reason}; "
        "or cancel it, and resume with --fresh-workspace"
    )


def _reason_of_one(asked: Requirements, candidates: Sequence[Candidate]) -> str:
    """Say why the one worker that will do has not taken an automation yet."""
    meant = [one for one in candidates if is_meant(asked, one)]
    return _reason(asked, meant) if meant else "that is not there any more"


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
    if NO_RUNTIME in asked.runtimes:
        return "ready"
    left = [one for one in candidates if is_meant(asked, one)]
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

    nobody = _no_match_text(asked.terms)
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
        if not any(fulfils(term, one, asked.accepts_claimed is True) for one in candidates):
            return [], _no_match_text([term])
    return [], _no_match_text(asked.terms)


def _no_match_text(terms: Sequence[LabelTerm]) -> str:
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
    if SSH in asked.runtimes:
        return [], f"{whose} reaches targets over SSH (it needs OpenSSH's `ssh`)"
    if SLURM in asked.runtimes and not any(SLURM in one.runtimes for one in candidates):
        return [], f"{whose} has Slurm (it needs `sbatch`, and a cluster that answers)"
    if KUBERNETES in asked.runtimes and not any(KUBERNETES in one.runtimes for one in candidates):
        return [], f"{whose} has Kubernetes (it needs `kubectl`, and a cluster that answers)"
    if (
        not any(CONTAINER in candidate.runtimes for candidate in candidates)
        and CONTAINER in asked.runtimes
    ):
        return [], f"{whose} runs containers (phase `{asked.image_phase}` has an image)"
    if len(asked.runtimes) > 1:
        return [], f"{whose} runs {_phases_text(asked.runtimes)}"
    return [], f"{whose} runs subprocesses (phases without an image)"


def _phases_text(kinds: frozenset[str]) -> str:
    """Return kinds of phases in words, as in "both containers and subprocesses"."""
    words = {CONTAINER: "containers", KUBERNETES: "pods", SLURM: "jobs of Slurm"}
    words[SUBPROCESS] = "subprocesses"
    *most, last = [word for kind, word in words.items() if kind in kinds]
    return f"{'both' if len(most) == 1 else 'all of'} {', '.join(most)} and {last}"


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
