"""How a phase that was a pod ended, from what Kubernetes said of it last."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import NamedTuple

import msgspec


class _Terminated(msgspec.Struct, rename="camel"):
    exit_code: int
    reason: str = ""
    message: str = ""


class _Waiting(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _State(msgspec.Struct):
    terminated: _Terminated | None = None
    waiting: _Waiting | None = None


class _Container(msgspec.Struct):
    state: _State = msgspec.field(default_factory=_State)


class _Status(msgspec.Struct, rename="camel"):
    phase: str = ""
    reason: str = ""
    message: str = ""
    container_statuses: list[_Container] = []


class _Pod(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


class PodEnd(NamedTuple):
    """What is known of one try: the pod's status, None before it had one, and what ended it here.

    `over` is `ended`, `gone`, `refused` (for its image), `untaken`, or "" where it was not followed
    to its end.
    """

    status: _Status | None
    over: str

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it runs, nor will."""
        return self.over != ""

    def left(self) -> tuple[bytes, bytes] | None:
        """Return outputs and summary; None where they did not come whole."""
        container = self._terminated()
        parts = container.message.split(" ") if container else []
        if len(parts) != 4 or parts[3].strip() != ".":
            return None
        try:
            return base64.b64decode(parts[1]), base64.b64decode(parts[2])
        except binascii.Error:
            return None

    def lost_text(self) -> str:
        """Return why nobody can say how it ended; "" if that is known."""
        if self._terminated() or self.over in {"refused", "untaken"}:
            return ""
        reason = self.status.reason if self.status else ""
        if self.over == "ended" and reason not in {"NodeLost", ""}:
            return ""
        why = f" ({reason})" if reason else ""
        return f"its pod is gone, or its node was lost{why}: nobody can say how it ended"

    def problem_text(self) -> str:
        """Return what Kubernetes has ended it for, or kept it from running for; "" if nothing."""
        if self.over == "untaken":
            return "Kubernetes did not take it; nothing of it was run"
        if self.status is None:
            return ""
        if self.over == "refused":
            return f"its image cannot be used: {self._waiting_text()}; nothing of it was run"
        container = self._terminated()
        if container and container.reason == "OOMKilled":
            return "it needed more memory than its pod may have (OOMKilled)"
        if self.status.reason == "DeadlineExceeded":
            return "Kubernetes ended it at its deadline"
        if self.status.reason:
            return f"Kubernetes ended it: {self.status.reason} {self.status.message}".strip()
        if container and self.left() is None and container.message:
            return "its outputs and summary are more than the 4 KiB that a pod can hand on"
        return ""

    def _terminated(self) -> _Terminated | None:
        containers = self.status.container_statuses if self.status else []
        return containers[0].state.terminated if containers else None

    def _waiting_text(self) -> str:
        containers = self.status.container_statuses if self.status else []
        waiting = containers[0].state.waiting if containers else None
        return f"{waiting.reason}, {waiting.message}" if waiting else "it is not said why"


def read_pod(folder: Path) -> PodEnd:
    """Return how a try ended, from the folder of what followed it."""
    over, status = folder / "over", folder / "status"
    try:
        pod = msgspec.json.decode(status.read_bytes(), type=_Pod).status
    except (OSError, msgspec.DecodeError):
        pod = None
    return PodEnd(pod, over.read_text().strip() if over.is_file() else "")
