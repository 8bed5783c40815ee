"""How an ephemeral worker takes its leave: its identity ends at the server, and then here."""

from __future__ import annotations

import logging
import time

from opsicle.domain.errors import NotAuthenticated, OpsicleError
from opsicle.kit.backoff import Backoff
from opsicle.wire.endpoints import enrol as endpoints
from opsicle.wire.worker_api import LeaveReason, LeaveReply, LeaveRequest
from opsicle.worker.connection import AWAY, ServerConnection

log = logging.getLogger(__name__)

_TRIES = 5


def leave(connection: ServerConnection, reason: LeaveReason) -> None:
    """Tell the server that this worker will not come back.

    A server that cannot be told, or has no such call yet, ends it in its own time.
    """
    backoff = Backoff(longest=2.0)
    for _ in range(_TRIES):
        try:
            connection.call(endpoints.LEAVE.path, LeaveRequest(reason), LeaveReply)
        except AWAY as away:
            log.warning("the server cannot be told of the leave", extra={"reason": away.message})
            time.sleep(backoff.next_delay())
        except NotAuthenticated:
            return  # it has ended: the answer to an earlier try was lost
        except OpsicleError as error:
            log.warning("the server did not take the leave", extra={"reason": error.message})
            return
        else:
            log.info("left", extra={"reason": reason})
            return


def is_from_server(rejection: OpsicleError) -> bool:
    """Return whether the server itself knows this worker no more, and not what is in between."""
    return isinstance(rejection, NotAuthenticated) and rejection.__cause__ is None
