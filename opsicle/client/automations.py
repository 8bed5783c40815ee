"""What goes on though the connection breaks: triggering an automation, and reading a log whole."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

from opsicle.client.api import Api
from opsicle.domain.errors import Conflict, Unavailable, Unreachable
from opsicle.kit.backoff import Backoff
from opsicle.wire.endpoint import Endpoint
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.user_api import Automation, RunRequest

LOG_TRIES = 5
TRIGGER_TRIES = 5
_TRIGGER_WAIT_SECONDS = (0.1, 2.0)


def trigger(
    api: Api,
    endpoint: Endpoint[Automation],
    *path_parts: str,
    body: RunRequest | ResumeRequest | None = None,
) -> Automation:
    """Trigger an automation, by `RUN`, `RERUN` or `RESUME`: send until there is an answer.

    Once, even if the connection breaks and the request is sent again: by the key the server knows a
    request that it has carried out already.
    """
    from opsicle.client.trust import is_certificate_refused  # its imports take long

    headers = {"Idempotency-Key": secrets.token_urlsafe(24)}
    backoff = Backoff(*_TRIGGER_WAIT_SECONDS)
    for _ in range(TRIGGER_TRIES - 1):
        try:
            return api.call(endpoint, *path_parts, body=body, headers=headers)
        except (Unreachable, Unavailable) as error:
            if is_certificate_refused(error):
                raise
        time.sleep(backoff.next_delay())
    return api.call(endpoint, *path_parts, body=body, headers=headers)


def read_log(
    api: Api, automation_id: str, offset: int = 0, *, plan: bool = False
) -> Iterator[bytes]:
    """Yield the newest job's log from `offset` as it is now, or its plan's, in pieces.

    A broken connection is made anew and nothing read twice.
    Raises Conflict if another attempt begins meanwhile.
    """
    job, tries, start = "", 0, offset
    while True:
        try:
            query = {"offset": offset, "plan": plan}
            with api.stream(endpoints.LOG, automation_id, query=query) as stream:
                if job and stream.headers.get("Opsicle-Job") != job:
                    raise Conflict(
                        "another attempt began while the log was read",
                        hint="Ask for the log again.",
                    )
                job = stream.headers.get("Opsicle-Job", "")
                for piece in stream.pieces:
                    offset, tries = offset + len(piece), 0
                    yield piece
            if offset < int(stream.headers.get("Opsicle-Log-Size", "0")):
                raise Unreachable("the log broke off")
            return
        except Unreachable:
            tries += 1
            if tries >= LOG_TRIES or offset == start:
                raise
