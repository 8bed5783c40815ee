"""SQL of automations that plan, and of what their plans have shown."""

from __future__ import annotations

from datetime import datetime

import apsw
import msgspec

from opsicle.kit.clock import to_text
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.rows import fetch_value, has_changed


def end(db: apsw.Connection, row: AutomationRow, job_id: str, at: datetime) -> bool:
    """Let an automation go on from its plan, bound anew as the row says, with what that has shown.

    It waits for people, or for a worker. Return False if its plan is another job's by now.
    """
    return has_changed(
        db,
        """
        UPDATE automations
           SET state = :state, queued_at = iif(:state = 'queued', :at, NULL), job_id = NULL,
               requirements = :requirements,
               turn = iif(concurrency_key IS NULL, 'ready', 'new'), evidence = :evidence,
               manifest_digest = :manifest_digest, manifest_format = :manifest_format, mac = :mac
         WHERE id = :id AND state = 'planning' AND job_id = :job_id
        """,
        {**msgspec.structs.asdict(row), "job_id": job_id, "at": to_text(at)},
    )


def fail(db: apsw.Connection, automation_id: str, job_id: str, ending: Ending) -> bool:
    """End an automation whose plan has not gone well. Return False if it does not plan so now."""
    return has_changed(
        db,
        """
        UPDATE automations
           SET state = :state, finished_at = :at, exit_code = :exit_code, explanation = :explanation
         WHERE id = :id AND state = 'planning' AND job_id = :job_id
        """,
        {
            "id": automation_id,
            "job_id": job_id,
            "state": ending.state,
            "at": to_text(ending.at),
            "exit_code": ending.exit_code,
            "explanation": ending.explanation,
        },
    )


def find_job(db: apsw.Connection, automation_id: str) -> str | None:
    """Return the job that has carried out an automation's plan, or None."""
    found: str | None = fetch_value(
        db,
        """
        SELECT id
          FROM jobs
         WHERE automation_id = :id AND is_plan AND state = 'succeeded'
         ORDER BY fence DESC LIMIT 1
        """,
        {"id": automation_id},
    )
    return found
