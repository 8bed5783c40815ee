"""What the open pages of a failed test show, and which of their requests went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Error, Page, Request, Response

MOST_CHARACTERS = 2_000
LOOK_MS = 20_000
"""How long a page that hangs may take to say what it shows."""


class Listeners:
    """Functions of a test that a page calls when something happens, until their end."""

    def __init__(self, page: Page, **by_event: Callable[..., None]) -> None:
        self._page, self._by_event = page, by_event
        for event, listener in by_event.items():
            page.on(event, listener)  # type: ignore[call-overload]

    def end(self) -> None:
        """Have the page, which goes on to another test, call none of them any more."""
        if not self._page.is_closed():
            for event, listener in self._by_event.items():
                self._page.remove_listener(event, listener)


class PageWatch:
    """What one page has asked for and how that was answered."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._unanswered: dict[Request, None] = {}
        self._wrong: list[str] = []
        self._listeners = Listeners(
            page,
            request=self._on_request,
            response=self._on_response,
            requestfailed=self._on_failed,
        )

    def end(self) -> None:
        """Watch it no more."""
        self._listeners.end()

    def _on_request(self, request: Request) -> None:
        self._unanswered[request] = None

    def _on_response(self, response: Response) -> None:
        self._unanswered.pop(response.request, None)
        if response.status >= 400:
            self._wrong.append(f"{response.status}: {_line(response.request)}")

    def _on_failed(self, request: Request) -> None:
        self._unanswered.pop(request, None)
        self._wrong.append(f"failed ({request.failure}): {_line(request)}")

    def report(self) -> str:
        """Return the page's address, its visible text, and the requests that went wrong."""
        unanswered = [f"unanswered: {_line(request)}" for request in self._unanswered]
        requests = [*self._wrong, *unanswered] or ["no request went wrong"]
        return "\n".join([f"--- page {self._page.url}", self._text(), *requests])

    def _text(self) -> str:
        try:
            text = self._page.locator("body").inner_text(timeout=LOOK_MS)
        except Error as error:
            return f"(its text cannot be read: {error.message})"
        return text[:MOST_CHARACTERS]


def _line(request: Request) -> str:
    return f"{request.method} {request.url}"


@contextmanager
def shown_on_failure(request: pytest.FixtureRequest) -> Iterator[Callable[[Page], None]]:
    """Yield what watches a page; print what all of them show if the test has failed by the end.

    For a fixture that opens pages, around its `yield`.
    """
    failed_before = request.session.testsfailed
    watches: list[PageWatch] = []

    yield lambda page: watches.append(PageWatch(page))

    if request.session.testsfailed > failed_before:
        for watch in watches:
            print(watch.report())
    for watch in watches:
        watch.end()
