"""Makes pictures of every page, and those of the documentation.

`python3 build.py pictures [--language de] [PATH ...]`; with paths only of pages whose path begins
so. They show the product itself at work on its own examples: `build/pictures/index.html` has every
page, light and dark, at three widths, and `docs/images` the best ones.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.browser_org import Site
from tests.browser.conftest import ARGUMENTS, CHROMIUM, PATIENCE_MS
from tests.browser.page_table import PAGE_TABLE
from tests.browser.pictured import MADE_OF, addresses, digests, examples
from tests.browser.reading import run_now, wait_for_log
from tests.product import CHECKOUT, PASSWORD, Installation

DOCUMENTS = CHECKOUT / "docs/images"
FOLDER = CHECKOUT / "build/pictures"
LOGIN = "/login"
WIDTH, HEIGHT = 1120, 680
WIDTHS = (1440, 768, 360)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LOADING = "() => !document.querySelector('main .loading') && document.querySelector('main h1')"


def main() -> None:
    """Bring up a server and workers, let an org work for a while, and take the pictures."""
    parser = argparse.ArgumentParser(prog="build.py pictures")
    parser.add_argument("--language", default="en", choices=("en", "de"))
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only of pages that begin so")
    options = parser.parse_args()

    with (
        tempfile.TemporaryDirectory() as folder,
        Installation(
            Path(folder), server_options=("--allow-egress", "127.0.0.0/8")
        ) as installation,
    ):
        site = Site(installation, Path(folder))
        site.fill()
        failed = _run_examples(installation)
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            if options.language == "en" and not options.paths:
                _take_those_of_documents(chromium, site)
            report = site.manage()
            album = Album(chromium, installation.server.url, options.language)
            album.take(examples(failed, site.requests["second"], report), tuple(options.paths))
            chromium.close()


def _run_examples(installation: Installation) -> str:
    """Run some that succeed and one that fails; return the id of the failed one."""
    installation.admin.cli("run", "failing-check", "--var", "outcome=passes", "--follow")
    installation.admin.attempt("run", "failing-check", "--follow")
    installation.admin.cli("run", "hello", "--follow")
    runs = installation.admin.json("automations", "list")
    return next(str(run["id"]) for run in runs if run["state"] == "failed")


@dataclass
class Album:
    """Pictures of every page, beside each other in one document."""

    chromium: Browser
    url: str
    language: str

    def take(self, of_paths: dict[str, list[str]], paths: tuple[str, ...]) -> None:
        """Take those of pages whose path begins with one of `paths`, or all."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        known, unknown = self._page(), self._page()
        log_in_as(known, "alice")
        is_open = {LOGIN, *(entry.path for entry in PAGE_TABLE if entry.group == "open")}
        shown: list[str] = []
        for path, places in {**addresses(of_paths), LOGIN: [LOGIN]}.items():
            if path.startswith(paths or "/"):
                page = unknown if path in is_open else known
                for place in places:
                    shown += self._take_one(page, place)
        (FOLDER / "index.html").write_text(_index(shown))
        print(FOLDER / "index.html")

    def _page(self) -> Page:
        context = self.chromium.new_context(
            ignore_https_errors=True, base_url=self.url, locale=self.language
        )
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()

    def _take_one(self, page: Page, place: str) -> Iterator[str]:
        """Take a page in every width and theme; yield the names of the files."""
        parts = ID.sub("one", place.translate(SEPARATORS)).split("/")
        stem = "-".join(filter(None, parts)) or "home"
        page.emulate_media(color_scheme="light")
        page.goto(place)
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            page.locator(f"html[data-theme={theme}]").wait_for(state="attached")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900 if width > 400 else 740})
                page.wait_for_function(LOADING)
                name = f"{stem}-{width}-{theme}.png"
                _take_whole(page, FOLDER / name)
                yield name


def _take_whole(page: Page, path: Path) -> None:
    """Take all of a page in a window that high: what sticks to an edge lies on nothing."""
    size = page.viewport_size
    assert size is not None
    height = size["height"]
    while (whole := page.evaluate("document.documentElement.scrollHeight")) > height:
        height = whole  # an editor grows with the window, as far as its text goes
        page.set_viewport_size({"width": size["width"], "height": height})
    page.screenshot(path=path)
    page.set_viewport_size(size)


SEPARATORS = str.maketrans("?=&", "///")
ID = re.compile(r"\b[0-9a-z]{26}\b")


def _index(names: list[str]) -> str:
    pictures = "\n".join(
        f'<figure><a href="{escape(name)}"><img src="{escape(name)}" width="{width // 3}"></a>'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name in names
        for width in WIDTHS
        if f"-{width}-" in name
    )
    style = "body{display:flex;flex-wrap:wrap;align-items:start;font:12px sans-serif}"
    head = f"<!doctype html><meta charset=utf-8><title>Pictures</title><style>{style}</style>"
    return head + pictures


def log_in_as(page: Page, who: str) -> None:
    """Log in whatever the language, and wait for Home."""
    page.goto(LOGIN)
    page.locator("input[type=email]").fill(f"{who}@example.com")
    page.locator("input[type=password]").fill(PASSWORD)
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/orgs/acme**")
    page.wait_for_function(LOADING)


def _take_those_of_documents(chromium: Browser, site: Site) -> None:
    DOCUMENTS.mkdir(parents=True, exist_ok=True)
    url = site.installation.server.url
    _take_runs(_page_of(chromium, url, "alice"))
    _take_approval_request(_page_of(chromium, url, "dana"))
    _take_deciding(_page_of(chromium, url, "carol"), site)
    MADE_OF.write_text(json.dumps(digests(), indent=2) + "\n")


def _page_of(chromium: Browser, url: str, who: str) -> Page:
    page = chromium.new_page(
        ignore_https_errors=True,
        base_url=url,
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme="light",
    )
    log_in_as(page, who)
    page.goto("/templates")
    page.locator(".last-run").first.wait_for()
    return page


def _take_runs(page: Page) -> None:
    _save(page, "templates")
    page.get_by_role("link", name="Run A task that takes a while").click()
    page.get_by_label("Reason").fill("INC-4711: queue grows")
    _save(page, "run")
    run_now(page)
    wait_for_log(page, "step 5")
    _save(page, "automation")
    page.goto("/workers")
    page.locator(".slot.is-busy").first.wait_for()
    _save(page, "workers")


def _take_approval_request(page: Page) -> None:
    page.goto("/templates/restart-web/run")
    page.get_by_label("fra").check()
    page.get_by_label("Pager PIN").fill("4711-4711")
    page.get_by_label("Reason").fill("INC-4711: 502s from Frankfurt since 09:40")
    _save(page, "run-asks")


def _take_deciding(page: Page, site: Site) -> None:
    page.goto("/approvals?whose=all")
    page.get_by_role("link", name="restart-web").first.wait_for()
    _save(page, "approvals")
    page.goto(f"/approvals/{site.requests['second']}")
    page.get_by_role("button", name="Approve…").wait_for()
    _save(page, "approval", is_whole=True)
    page.set_viewport_size({"width": 390, "height": 800})
    _save(page, "approval-telephone")


def _save(page: Page, name: str, *, is_whole: bool = False) -> None:
    path = DOCUMENTS / f"{name}.png"
    if is_whole:
        _take_whole(page, path)
    else:
        page.screenshot(path=path)


if __name__ == "__main__":
    main()
