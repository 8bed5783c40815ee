"""How far the phases of automations are, for a list of them: no more than a name and a state."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.automations import AutomationState
from opsicle.server.store import jobs
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.wire.jobs import StepState
from opsicle.wire.phase_api import PhaseState
from opsicle.wire.user_api import AutomationSummary, ListedAutomation

MOST_PHASES = 40
"""No row of a list has room for more; of an automation that has more it shows none."""


def phase_states(db: Connection, rows: Sequence[AutomationRow]) -> dict[str, list[PhaseState]]:
    """Return the phases of those that have begun, by the id of their newest job.

    One statement reads those of a whole page. Of a lost job nobody can say what it had not ended.
    """
    lost = {row.job_id for row in rows if row.state is AutomationState.UNKNOWN}
    found: dict[str, list[PhaseState]] = {}
    for job in jobs.list_phases(db, [row.job_id for row in rows if row.job_id]):
        states = stored_json.read_or(job.phases, list[PhaseState], [])
        if len(states) <= MOST_PHASES:
            found[job.id] = [_as_lost(each) for each in states] if job.id in lost else states
    return found


def listed(
    shown: AutomationSummary, job_id: str | None, states: dict[str, list[PhaseState]]
) -> ListedAutomation:
    """Return an automation as it stands in a list of the newest."""
    return ListedAutomation(
        **msgspec.structs.asdict(shown), phases=states.get(job_id, []) if job_id else []
    )


def _as_lost(phase: PhaseState) -> PhaseState:
    is_open = phase.state in {StepState.PENDING, StepState.RUNNING}
    return PhaseState(name=phase.name, state=StepState.UNKNOWN) if is_open else phase
