"""What the server's loops hear of at once: the connection that writes notes it by itself.

By triggers that this connection alone has, so that nothing of them stands in the file. So it does
not matter which statement something comes by, and no service has to remember to tell. A notice may
come of a change that is undone; whoever hears it looks at the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import apsw


class WakeupKind(StrEnum):
    """What there is to look at: an automation on several machines, calls, or what follows an end.

    The first comes with the id of that automation; the others with one of theirs, as they are all
    looked at together.
    """

    FAN_OUT = "fan-out"
    CALL = "call"
    CHAIN = "chain"


_TRIGGERS = (
    # It may begin, goes on, or is being cancelled.
    """
    CREATE TEMP TRIGGER note_new_fan_out AFTER INSERT ON automations
    WHEN NEW.fan_out <> '' AND NEW.state = 'queued'
    BEGIN SELECT opsicle_wakeup('fan-out', NEW.id); END
    """,
    """
    CREATE TEMP TRIGGER note_fan_out AFTER UPDATE OF state, turn, cancel_requested_at ON automations
    WHEN NEW.fan_out <> '' AND NEW.state IN ('queued', 'running')
    BEGIN SELECT opsicle_wakeup('fan-out', NEW.id); END
    """,
    # One of its machines goes on. What a part has in `started_by_id` is good enough to look.
    """
    CREATE TEMP TRIGGER note_member AFTER UPDATE OF state ON fan_out_members
    BEGIN SELECT opsicle_wakeup('fan-out', NEW.parent_id); END
    """,
    """
    CREATE TEMP TRIGGER note_part AFTER UPDATE OF state ON automations
    WHEN NEW.member_of <> '' AND NEW.started_by_id IS NOT NULL
    BEGIN SELECT opsicle_wakeup('fan-out', NEW.started_by_id); END
    """,
    # A call is to be made, is over, or is not waited for any more.
    """
    CREATE TEMP TRIGGER note_new_call AFTER INSERT ON calls
    BEGIN SELECT opsicle_wakeup('call', NEW.wait_id); END
    """,
    """
    CREATE TEMP TRIGGER note_call AFTER UPDATE OF state ON calls
    BEGIN SELECT opsicle_wakeup('call', NEW.wait_id); END
    """,
    """
    CREATE TEMP TRIGGER note_caller AFTER UPDATE OF state, cancel_requested_at ON automations
    WHEN NEW.calls <> ''
    BEGIN SELECT opsicle_wakeup('call', NEW.id); END
    """,
    """
    CREATE TEMP TRIGGER note_chain AFTER UPDATE OF state ON chain_starts
    WHEN NEW.state = 'due'
    BEGIN SELECT opsicle_wakeup('chain', NEW.parent_id); END
    """,
)


def install(db: apsw.Connection, note: Callable[[WakeupKind, str], None]) -> None:
    """Have `note` called inside each transaction of this connection that changes such a thing."""

    def call(*given: object) -> None:
        kind, key = given
        note(WakeupKind(str(kind)), str(key))

    db.create_scalar_function("opsicle_wakeup", call, 2)
    for trigger in _TRIGGERS:
        db.execute(trigger)
