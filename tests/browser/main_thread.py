"""How long a page's main thread works, in CPU time: what else runs on the machine takes no part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import CDPSession, Page

TRACED = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]
TASKS = {"RunTask", "ThreadControllerImpl::RunTask"}


class MainThread:
    """Counts what the main thread of a page has worked, beginning now."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    @property
    def worked_ms(self) -> float:
        """How many milliseconds since this was made."""
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        seconds = next(each["value"] for each in metrics if each["name"] == "TaskDuration")
        return 1000 * float(seconds)


@contextmanager
def tasks_ms(page: Page) -> Iterator[list[float]]:
    """Note how long each task of a main thread took that ends within; the list is filled then."""
    browser = page.context.browser
    assert browser
    tasks: list[float] = []
    browser.start_tracing(page=page, categories=TRACED)
    try:
        yield tasks
    finally:
        events = json.loads(browser.stop_tracing())["traceEvents"]

    main = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    tasks += [
        each["tdur"] / 1000
        for each in events
        if each["name"] in TASKS and (each["pid"], each["tid"]) in main and "tdur" in each
    ]
