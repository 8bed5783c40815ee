"""What a template says of running once on each of several machines."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from opsicle.domain.clocks import duration_text

MOST_MEMBERS = 1_000
"""How many machines one automation may run on."""

WEEK_SECONDS = 604_800
"""How long it may take on all of them together, unless its template says."""

MOST_SECONDS = 30 * 86_400


class FanOutKind(StrEnum):
    """What a template runs on each of: workers, or hosts that these reach over SSH."""

    EACH = "each"
    TARGETS = "targets"


class FanOut(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a template says of running on each of several machines.

    Which ones, the template's `runs_on` and `runs_on_where` say; of targets, only those among
    `names` where there are any. `parallel` run at once, None: all. Once more than `max_failures`
    have not succeeded, no further one begins. `timeout`, in seconds, is for all of them together.
    """

    kind: FanOutKind
    names: tuple[str, ...] = ()
    parallel: int | None = None
    max_failures: int = 0
    timeout: int = WEEK_SECONDS


def fan_out_text(parallel: int | None, max_failures: int, timeout: int) -> str:
    """Return in words how many machines run at once, and how many may fail before it stops."""
    most = "all at once" if parallel is None else f"{parallel} at once"
    failed = "one has" if max_failures == 0 else f"more than {max_failures} have"
    return (
        f"{most}; once {failed} not succeeded, no further one begins; "
        f"all is over after {duration_text(timeout)}"
    )
