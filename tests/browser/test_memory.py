"""A window that stays open for a week holds no more than one that was just opened."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import CDPSession

from tests.browser.conftest import OpenPage
from tests.browser.main_thread import MainThread
from tests.support import SCALE, wait_until

DRAWN = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
PAGES = [
    "/", "/templates", "/templates/greet", "/automations", "/approvals", "/workers",
    "/workers/edge", "/schedules", "/audit", "/people",
]  # fmt: skip
"""The last one, on which a window is looked at, gains no rows by what other tests have left at
work."""

STEADY = 12
"""Looks in a row, some tens of milliseconds apart."""

ROUNDS = 17 if SCALE > 1 else 3
"""Through all pages, after three that let the browser compile: 200 changes of page every night."""

COMPILED_BYTES = 512 * 1024
"""What a browser keeps of code that is run often. After that a heap grows by a third of a kilobyte
with each page, in a thousand pages."""

MOST_MS = 100
"""Of the main thread's CPU time, from one page to the next."""

GO_ROUND = """async ([paths, count]) => {
  const { navigate } = await import("/lib/router.js");
  const shown = document.querySelector("main");
  const isThere = () => shown.querySelector("h1") && !shown.querySelector(".loading");
  for (let i = 0; i < count; i++) {
    navigate(paths[i % paths.length]);
    do await new Promise((resolve) => setTimeout(resolve, 5)); while (!isThere());
  }
}"""
"""Goes to further pages, each once the one before has all that it shows."""


@dataclass(frozen=True)
class Held:
    """What a window holds once nothing is left to be collected."""

    nodes: int
    listeners: int
    heap: int


def held(session: CDPSession, collections: int) -> Held:
    for _ in range(collections):
        session.send("HeapProfiler.collectGarbage")
    named = {
        each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]
    }
    return Held(int(named["Nodes"]), int(named["JSEventListeners"]), int(named["JSHeapUsedSize"]))


def settled(session: CDPSession) -> Held:
    """Return what a window holds in the end.

    The page before is let go once the answers have come that it had asked for.
    """
    seen: list[Held] = []

    def is_settled() -> bool:
        seen.append(held(session, collections=1))
        return len(seen) >= STEADY and len({each.nodes for each in seen[-STEADY:]}) == 1

    wait_until(is_settled, 60, "a window that lets go of nothing more")
    return held(session, collections=3)  # what is let go by one is collected by the next


def test_a_window_holds_nothing_of_the_pages_that_it_has_left(open_page: OpenPage) -> None:
    page = open_page("/", is_own=True)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.evaluate(GO_ROUND, [PAGES, 3 * len(PAGES)])
    before = settled(session)

    page.evaluate(GO_ROUND, [PAGES, ROUNDS * len(PAGES)])

    after = settled(session)
    assert after.nodes <= before.nodes + 20, (before, after)
    assert after.listeners <= before.listeners + 5, (before, after)
    assert after.heap < before.heap + COMPILED_BYTES, (before, after)


def test_going_to_a_page_keeps_the_main_thread_busy_for_a_tenth_of_a_second_at_most(
    open_page: OpenPage,
) -> None:
    page = open_page("/templates", is_own=True)
    thread = MainThread(page)
    took: dict[str, list[float]] = {path: [] for path in PAGES}
    for path in 2 * PAGES:
        before = thread.worked_ms
        page.evaluate(GO_ROUND, [[path], 1])
        page.evaluate(DRAWN)
        took[path].append(thread.worked_ms - before)

    first = [visits[0] for visits in took.values()]
    assert sum(first) / len(first) < MOST_MS, took
    assert max(min(visits) for visits in took.values()) < MOST_MS, took
    assert min(first) > 1, took
