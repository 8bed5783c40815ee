"""Pages of earlier tests, for later ones.

A new page has a new process, which compiles all of the application anew: half of what it takes to
open one. What a test has changed is undone here, save for what Playwright cannot take back: scripts
with which documents begin, and a clock that was set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, CDPSession, Page, ViewportSize

VIEWPORT: ViewportSize = {"width": 1280, "height": 800}
MOTION: Literal["reduce"] = "reduce"
"""Without a graphics card each window in which something turns keeps a core busy with drawing it;
`test_settings.py` sees things move."""

Theme = Literal["dark", "light"]

ELSEWHERE = "/healthz"
"""An address of the server, and so of the same process, at which nothing of the application runs.
"""
FORGET = """() => {
  sessionStorage.clear();
  window.name = "";
}"""


class UsedPages:
    """Opens pages that know nothing of earlier tests, as far as it can in windows of those."""

    def __init__(self, browser: Browser, url: str, session: Path) -> None:
        self._browser, self._url = browser, url
        self._cookies = json.loads(session.read_text())["cookies"]
        self._free: list[Page] = []
        self._sessions: dict[Page, CDPSession] = {}

    def take(self, *, is_known: bool, width: int, theme: Theme) -> Page:
        """Return a page, of one who has logged in or of one who has not."""
        page = self._free.pop() if self._free else self._new_page()
        context = page.context
        size: ViewportSize = {"width": width, "height": VIEWPORT["height"]}
        if page.viewport_size != size:
            page.set_viewport_size(size)
        page.emulate_media(color_scheme=theme, forced_colors="none", reduced_motion=MOTION)
        kept = {"origin": self._url.rstrip("/"), "storageTypes": "all"}
        self._sessions[page].send("Storage.clearDataForOrigin", kept)
        context.clear_cookies()
        if is_known:
            context.add_cookies(self._cookies)
        return page

    def give_back(self, page: Page) -> None:
        """Leave what a page shows, close the windows beside it, and have it used again."""
        context = page.context
        if page.is_closed():
            del self._sessions[page]
            context.close()
            return
        for other in context.pages:
            if other != page:
                other.close()
        context.clear_permissions()
        page.unroute_all(behavior="ignoreErrors")
        page.goto(ELSEWHERE)
        page.evaluate(FORGET)
        self._free.append(page)

    def _new_page(self) -> Page:
        context = self._browser.new_context(
            ignore_https_errors=True,  # for requests of a test's own, which Node makes
            base_url=self._url,
            reduced_motion=MOTION,
        )
        page = context.new_page()
        self._sessions[page] = context.new_cdp_session(page)
        return page
