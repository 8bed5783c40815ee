"""SIGHUP: settings are read anew, and what can change while the server runs does so at once."""

from __future__ import annotations

import msgspec

from opsicle.server.settings import ServerOptions

LIVE = frozenset(
    {
        "log_retention_days",
        "audit_retention_days",
        "automation_retention_days",
        "automation_retention_count",
        "open_orgs",
        "standby_worker_urls",
        "allow_egress",
        "is_verbose",
    }
)
"""What takes effect without a restart; all else has been bound, opened or told to somebody."""


def merged(old: ServerOptions, new: ServerOptions) -> tuple[ServerOptions, list[str], list[str]]:
    """Return the options from now on.

    The names of those that changed with it, and of those that wait for a restart.
    """
    changed = [
        each.name
        for each in msgspec.structs.fields(old)
        if getattr(old, each.name) != getattr(new, each.name)
    ]
    live = [name for name in changed if name in LIVE]
    return (
        msgspec.structs.replace(old, **{name: getattr(new, name) for name in live}),
        live,
        [n for n in changed if n not in LIVE],
    )
