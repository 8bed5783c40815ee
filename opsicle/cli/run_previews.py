"""What `opsicle run --dry-run` prints, and who must agree before something runs."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.cli.output import emit
from opsicle.cli.sessions import connect
from opsicle.domain.errors import Conflict, InvalidInput, OpsicleError
from opsicle.wire.approval_api import ApprovalNeed
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.preview_api import RunPreview
from opsicle.wire.user_api import RunRequest


def show_preview(request: RunRequest) -> OpsicleError | None:
    """Print what a request would do, and return what would keep it from being done, if anything."""
    preview = connect().call(endpoints.PREVIEW, body=request)
    emit(preview, _fields(preview))
    if preview.problems:
        return InvalidInput("these values cannot be used", problems=tuple(preview.problems))
    if reason := preview.refusal or preview.need.problem:
        return Conflict(reason)
    return None


def _fields(preview: RunPreview) -> list[tuple[str, object]]:
    others = preview.fitting - len(preview.workers)
    return [
        ("template", preview.template),
        ("version", preview.version),
        ("runs on each of", preview.machines),
        ("runs on one of", preview.workers),
        ("and others", others or None),
        ("waits", preview.waiting),
        ("policy", preview.need.policy if preview.need.is_needed else ""),
        *gate_fields(preview.need),
        ("needs a code", preview.needs_mfa or None),
    ]


def gate_fields(need: ApprovalNeed) -> Iterator[tuple[str, object]]:
    """Yield each gate with how many of whom must agree."""
    for gate in need.gates:
        people = ", ".join(person.email for person in gate.people)
        text = f"{gate.required} of {people} must agree" if people else "nobody may agree yet"
        condition = ", for certain values only" if gate.is_conditional else ""
        yield f"gate {gate.name}", text + condition
