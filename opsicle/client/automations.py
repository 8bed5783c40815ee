"""Calls about automations, their logs and live events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from opsicle.client.calls import Calls
from opsicle.client.connection import Stream
from opsicle.domain.errors import Conflict, Unreachable
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.user_api import Automation, AutomationSummary, RunRequest

LOG_TRIES = 5


class AutomationCalls(Calls):
    """Automations: trigger, watch, cancel."""

    def run(self, request: RunRequest) -> Automation:
        """Trigger an automation.

        Once, even if the connection breaks and the request is sent again.
        """
        return self._trigger(endpoints.RUN, request=request)

    def rerun(self, automation_id: str) -> Automation:
        """Trigger an automation with the template version and values of an old one, as `run`."""
        return self._trigger(endpoints.RERUN, automation_id)

    def automations(self, **filters: str | None) -> Iterator[AutomationSummary]:
        """Yield automations, newest first. The filters are the endpoint's query."""
        return self._pages(endpoints.LIST_AUTOMATIONS, query=filters)

    def automation(self, automation_id: str) -> Automation:
        """Return one automation, whole."""
        return self._call(endpoints.SHOW, automation_id)

    def cancel(self, automation_id: str) -> Automation:
        """Ask that an automation stops."""
        return self._call(endpoints.CANCEL, automation_id)

    def log(self, automation_id: str, offset: int = 0) -> Iterator[bytes]:
        """Yield the newest job's log from `offset` as it is now, in pieces.

        A broken connection is made anew and nothing read twice.

        Raises Conflict if another attempt begins meanwhile.
        """
        job, tries, start = "", 0, offset
        while True:
            try:
                with self._stream(endpoints.LOG, automation_id, query={"offset": offset}) as stream:
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

    def events(
        self, automation_id: str, offset: int, last_event_id: str = ""
    ) -> AbstractContextManager[Stream]:
        """Open the automation's live events, with its log from `offset` on.

        `last_event_id` is that of the last event seen; the log then goes on after that.
        """
        headers = {"Accept": endpoints.EVENTS.content_type}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        query = {"offset": offset}
        return self._stream(endpoints.EVENTS, automation_id, query=query, headers=headers)
