"""A real server and worker, and a real Chromium in which every page must keep to its rules."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    expect,
)

from tests.browser import templates
from tests.browser.failures import Listeners, shown_on_failure
from tests.browser.reading import log_in
from tests.browser.used_pages import MOTION, VIEWPORT, Theme, UsedPages
from tests.product import PASSWORD, Installation, User
from tests.support import require

CHROMIUM = os.environ.get("OPSICLE_TEST_CHROMIUM", "/usr/bin/chromium-headless-shell")
"""Chromium's engine as it is, without the windows around it: those cost half of all its time."""

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-features=NetworkServiceInProcess2",
]
OPEN = ("--allow-egress", "127.0.0.0/8")
"""The receivers of these tests listen on loopback."""

PATIENCE_MS = 60_000
"""A hang guard for what a page is waited for; nothing here is measured by it."""

# Playwright's own is 5 s, in which a busy machine may not even start Python.
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/browser/"):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser(playwright: Playwright, installation: Installation) -> Iterator[Browser]:
    with chromium(playwright, options=[trust_in(installation.server.url)]) as browser:
        yield browser


def trust_in(url: str) -> str:
    """Return the option by which Chromium takes a server's certificate for a good one.

    What came over a bad one that is only put up with it never keeps: each page would fetch and
    compile all its modules anew, which is half of what a load takes.
    """
    address = urlsplit(url)
    pem = ssl.get_server_certificate((address.hostname or "", address.port or 443))
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(info).digest()).decode()
    return f"--ignore-certificate-errors-spki-list={pin}"


@contextmanager
def chromium(
    playwright: Playwright, program: str = CHROMIUM, options: Sequence[str] = ()
) -> Iterator[Browser]:
    """Run Chromium; `program` may be one that starts it elsewhere."""
    require(
        shutil.which(CHROMIUM) is not None,
        f"Chromium at {CHROMIUM}: install the package chromium-headless-shell",
    )
    expect.set_options(timeout=PATIENCE_MS)
    browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, *options])
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Run a server with its admin alice, a worker `edge` and the templates of these tests."""
    with Installation(tmp_path_factory.mktemp("installation"), server_options=OPEN) as made:
        made.worker("edge", None, "--label", "site=ams", "--slots", "4")
        for source in templates.ALL:
            made.push(source)
        yield made


@pytest.fixture(scope="session")
def session(
    browser: Browser, installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the cookie of alice, who has logged in as a person does."""
    path = tmp_path_factory.mktemp("session") / "state.json"
    context = browser.new_context(base_url=installation.server.url)
    page = context.new_page()
    page.goto("/login")
    log_in(page, installation.admin.email)
    page.get_by_role("heading", level=1, name="Home").wait_for(timeout=PATIENCE_MS)
    context.storage_state(path=path)
    context.close()
    return path


@pytest.fixture(scope="session")
def used_pages(browser: Browser, installation: Installation, session: Path) -> UsedPages:
    return UsedPages(browser, installation.server.url, session)


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(
    browser: Browser,
    installation: Installation,
    session: Path,
    used_pages: UsedPages,
    request: pytest.FixtureRequest,
) -> Iterator[OpenPage]:
    """Return what opens pages as alice, as `who`, or as nobody with `is_known=False`.

    None may complain or ask another server. If the test fails, what they show is printed. One that
    `is_own` is no other test's: for what cannot be taken back (`used_pages.py`).
    """
    used: list[Page] = []
    own: list[BrowserContext] = []
    page_errors: list[str] = []
    listeners: list[Listeners] = []

    def open_one(
        path: str,
        *,
        who: User | None = None,
        is_known: bool = True,
        url: str = "",
        width: int = VIEWPORT["width"],
        theme: Theme = "light",
        is_own: bool = False,
    ) -> Page:
        is_known = is_known and who is None
        if not url and not is_own:
            page = used_pages.take(is_known=is_known, width=width, theme=theme)
            used.append(page)
        else:
            context = browser.new_context(
                ignore_https_errors=True,  # of another server; others show its being checked
                base_url=url or installation.server.url,
                storage_state=session if is_known else None,
                viewport={"width": width, "height": VIEWPORT["height"]},
                color_scheme=theme,
                reduced_motion=MOTION,
            )
            own.append(context)
            page = context.new_page()
        page.context.set_default_timeout(PATIENCE_MS)
        if who:
            _begin_session(page.context, who, installation.server.url)
        watch(page)
        listeners.append(_collect_errors(page, url or installation.server.url, page_errors))
        page.goto(path)
        page.get_by_role("heading", level=1).first.wait_for()
        return page

    with shown_on_failure(request) as watch:
        yield open_one
    for context in own:
        context.close()
    for each in listeners:
        each.end()
    for page in used:
        used_pages.give_back(page)
    assert page_errors == []


def _begin_session(context: BrowserContext, who: User, url: str) -> None:
    """Log in as the form does, which two pages less are loaded for."""
    answer = context.request.post(
        "/api/v1/login",
        data={"email": who.email, "password": PASSWORD, "kind": "browser"},
        headers={"Origin": url.rstrip("/")},
    )
    assert answer.ok, answer.text()


def _collect_errors(page: Page, url: str, page_errors: list[str]) -> Listeners:
    def on_console(message: ConsoleMessage) -> None:
        # Chromium itself notes every answer of 400 and above; what a page makes of those is
        # asserted where it matters.
        if message.type in {"error", "warning"} and not message.text.startswith(
            "Failed to load resource"
        ):
            page_errors.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(url).netloc:
            page_errors.append(f"asked another server: {request.url}")

    def on_dialog(dialog: object) -> None:
        page_errors.append(f"a script ran: {dialog}")

    def on_error(error: object) -> None:
        page_errors.append(f"error: {error}")

    return Listeners(
        page, console=on_console, pageerror=on_error, request=on_request, dialog=on_dialog
    )
