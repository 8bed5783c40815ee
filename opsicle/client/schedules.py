"""Calls about schedules."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.endpoints import schedules as endpoints
from opsicle.wire.schedule_api import NextTimes, SchedulePushed, ScheduleSummary, ScheduleVersion
from opsicle.wire.user_api import Automation, SourceRequest


class ScheduleCalls(Calls):
    """Schedules and their versions."""

    def schedules(self) -> Iterator[ScheduleSummary]:
        """Yield all schedules in their newest versions."""
        return self._pages(endpoints.LIST_SCHEDULES)

    def push_schedule(self, source: str) -> SchedulePushed:
        """Make this document the newest version of the schedule that it names."""
        return self._call(endpoints.PUSH, body=SourceRequest(source=source))

    def schedule(self, name: str, version: int | None = None) -> ScheduleVersion:
        """Return one version, the newest unless told."""
        if version is None:
            return self._call(endpoints.SHOW, name)
        return self._call(endpoints.SHOW_VERSION, name, str(version))

    def schedule_versions(self, name: str) -> Iterator[ScheduleSummary]:
        """Yield all versions of a schedule."""
        return self._pages(endpoints.LIST_VERSIONS, name)

    def delete_schedule(self, name: str) -> None:
        """Take a schedule out of use."""
        self._call(endpoints.DELETE, name)

    def pause_schedule(self, name: str) -> ScheduleVersion:
        """Let a schedule start nothing by itself."""
        return self._call(endpoints.PAUSE, name)

    def resume_schedule(self, name: str) -> ScheduleVersion:
        """Let a schedule go on."""
        return self._call(endpoints.RESUME, name)

    def next_times(self, name: str, count: int) -> NextTimes:
        """Return the times to come."""
        return self._call(endpoints.NEXT, name, query={"count": count})

    def run_schedule(self, name: str) -> Automation:
        """Run now what a schedule starts; once, even if the request is sent again."""
        return self._trigger(endpoints.RUN, name)
