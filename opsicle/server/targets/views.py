"""What people see of a target."""

from __future__ import annotations

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.ssh_host_keys import fingerprint
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.domain.targets import Target
from opsicle.server.documents.versions import pusher_of
from opsicle.server.store.documents import VersionRow
from opsicle.wire.target_api import TargetHostKey, TargetSummary, TargetVersion


def shown(row: VersionRow) -> TargetSummary:
    """Return a version of a target as it stands in a list."""
    target = _read(row)
    return TargetSummary(
        name=row.name,
        version=row.version,
        labels=target.labels,
        host=target.host,
        port=target.port,
        user=target.user,
        secret=target.secret,
        runs_on=target.runs_on,
        runs_on_where=target.runs_on_where,
        description=target.description,
        pushed_by=pusher_of(row),
        pushed_at=row.pushed_at,
        message=row.message,
    )


def whole(row: VersionRow) -> TargetVersion:
    """Return a version of a target with all that it says."""
    return TargetVersion(
        **msgspec.structs.asdict(shown(row)),
        latest_version=row.latest_version,
        digest=row.digest,
        host_keys=[
            TargetHostKey(key=key, fingerprint=fingerprint(key)) for key in _read(row).host_keys
        ],
        source=row.source,
    )


def _read(row: VersionRow) -> Target:
    unreadable = Target(name=row.name, host=CANNOT_BE_READ, user="", host_keys=(), secret="")
    return stored_json.read_or(row.document, Target, unreadable)
