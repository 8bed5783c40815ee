"""What a plan has shown: phases that only look, run before anybody is asked.

The digest of the evidence is part of what people agree to, so that what runs is what was shown.
"""

from __future__ import annotations

import msgspec

from opsicle.domain.manifests import digest

MAX_PLAN_LOG_BYTES = 1024 * 1024
"""What somebody could still read before they agree; the whole of it is compared before the run."""

PLAN_FAILED = "the plan failed; nobody was asked"


class PlanEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """How one job has carried out a plan.

    `phases` is what its worker has reported of them, as it is stored: how each ended, its outputs
    and its summary, masked as the log is.
    """

    automation_id: str
    job_id: str
    worker_id: str
    fence: int
    exit_code: int | None
    phases: str
    log_bytes: int
    log_digest: str

    @property
    def digest(self) -> str:
        """SHA-256 in hex of all of it."""
        return digest(msgspec.json.encode(self, order="sorted"))
