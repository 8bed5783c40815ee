"""The pauses of a job that people have let it pass, whatever its worker says of them.

A worker runs the phases and tells how they went, and is believed in that. But what starts elsewhere
because a job has come so far starts only if people have let it come so far: else one worker could
have another one do what nobody has agreed to.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsicle.domain.approvals import ApprovalState
from opsicle.domain.pauses import ApprovalKind
from opsicle.domain.problems import quoted
from opsicle.domain.templates import Template, Value, When
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.cases import load_unaltered
from opsicle.server.approvals.pauses import answer_of, require_decided
from opsicle.server.store import approvals
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


def passed_pauses(
    db: Connection, bindings: Bindings, automation_id: str, job_id: str
) -> Mapping[int, dict[str, Value]]:
    """Return the pauses that people have let a job pass, by phase, with what they gave.

    Only of this automation: which job is its newest stands in a row that may have been altered.
    Raises AlteredManifest where what is stored of one is not what was asked or decided.
    """
    given: dict[int, dict[str, Value]] = {}
    for row in approvals.list_pauses(db, automation_id, job_id):
        case = load_unaltered(db, bindings, row)
        is_passed = row.kind is ApprovalKind.PAUSE and row.state is ApprovalState.APPROVED
        if is_passed and row.phase is not None:
            require_decided(case)
            given[row.phase] = dict(answer_of(case).values)
    return given


def require_pauses_passed(
    db: Connection,
    bindings: Bindings,
    row: AutomationRow,
    template: Template,
    first: int,
    until: int | None = None,
) -> None:
    """Raise AlteredManifest unless people have let an automation pass the pauses before a phase.

    Without a phase: all of them. It began at its phase `first`, as one does that goes on from
    another one.
    """
    with_pause = [
        index
        for index, phase in enumerate(template.phases[:until])
        if index >= first and phase.pause is not None and phase.when is not When.FAILURE
    ]
    if not with_pause:
        return
    passed = passed_pauses(db, bindings, row.id, row.job_id or "")
    for index in with_pause:
        if index not in passed:
            name = quoted(template.phases[index].name)
            raise AlteredManifest(f"nobody has let {row.template} pass its pause {name}")
