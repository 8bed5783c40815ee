"""How a phase that was a job of Slurm ended, from what its folder tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from opsicle.domain.templates import SlurmOptions
from opsicle.worker.phase_results import read_left

_MOST_BYTES = 64 * 1024
_ACTIVE = frozenset({
    "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED",
    "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING", "PENDING",
})  # fmt: skip
_LAST_WORDS_BYTES = 4096
_EXCEEDED_MEMORY = re.compile(rb"^slurmstepd[^:]*: error: .*exceeded memory limit", re.MULTILINE)
_LOST_NODE = frozenset({"NODE_FAIL", "BOOT_FAIL"})
_ENDED_ITSELF = frozenset({"COMPLETED", "FAILED"})


class SlurmEnd(NamedTuple):
    """What is known of one try: what Slurm said last, and how far it came.

    `has_begun` and `has_ended` are by the node's own word.
    """

    state: str
    reason: str
    node: str
    has_begun: bool
    has_ended: bool
    wanted_memory: bool

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it runs, nor will."""
        return self.state not in _ACTIVE if self.state else not self.has_begun

    def lost_text(self) -> str:
        """Return why nobody can say how it ended; "" if that is known."""
        if not self.has_begun or self.has_ended:
            return ""
        if self.state in _LOST_NODE:
            return f"Slurm lost the node {self.node} on which it ran: nobody can say what it did"
        if self.state == "" or self.state in _ACTIVE:
            return "Slurm tells nothing of it any more: nobody can say how it ended"
        return ""

    def problem_text(self, asked: SlurmOptions, folder: Path) -> str:
        """Return what Slurm has ended it for, or kept it from running for; "" if nothing."""
        if not self.has_begun:
            return f"{self._why_not_begun(folder)}; nothing of it was run"
        match "OUT_OF_MEMORY" if self.wanted_memory else self.state:
            case "TIMEOUT":
                limit = f"`slurm.time`, {asked.time} s" if asked.time else "its partition's"
                return f"Slurm ended it at its time limit ({limit})"
            case "OUT_OF_MEMORY":
                given = f" ({asked.memory_mib} MiB)" if asked.memory_mib else ""
                return f"it needed more memory than Slurm had given it{given}"
            case "PREEMPTED":
                return "Slurm pre-empted it for another job; it is not begun again by itself"
            case "CANCELLED":
                return "it was cancelled in Slurm, not by Opsicle"
            case "DEADLINE":
                return "Slurm ended it at its deadline"
        return ""

    def _why_not_begun(self, folder: Path) -> str:
        if self.state == "":
            return "Slurm did not take it"
        if self.state in _LOST_NODE:
            return f"Slurm lost the node {self.node} before it began"
        if self.state in _ENDED_ITSELF:
            return (
                f"the node {self.node} does not see {folder}: the worker's data folder must lie "
                "on a file system that the nodes have at the same path"
            )
        return f"Slurm ended it before it began ({self.state}, {self.reason})"


def read_end(folder: Path) -> SlurmEnd:
    """Return how a try ended. It begins no more, if it has not.

    For that is what it takes away the script with which it would have begun. Raises OSError.
    """
    (folder / "first").unlink(missing_ok=True)
    said = read_left(folder / "said", _MOST_BYTES).decode(errors="replace")
    state = _field(said, "JobState")
    return SlurmEnd(
        state=state,
        reason=_field(said, "Reason"),
        node=_field(said, "BatchHost") or _field(said, "NodeList"),
        has_begun=(folder / "started").exists(),
        has_ended=(folder / "end").exists(),
        wanted_memory=state == "FAILED" and _is_out_of_memory(folder / "err"),
    )


def _is_out_of_memory(errors: Path) -> bool:
    """Return whether Slurm's own last words are that it wanted too much memory.

    Without cgroups Slurm says so there alone. A phase that forges it explains its own failure.
    """
    try:
        last_words = read_left(errors, _LAST_WORDS_BYTES, from_end=True)
    except OSError:
        return False
    return _EXCEEDED_MEMORY.search(last_words) is not None


def _field(said: str, name: str) -> str:
    found = re.search(rf" {name}=(\S*)", said)
    return found[1] if found else ""
