"""From a new server to a resumed automation and its record: without a mouse, at each width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import NARROW, findings, is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll, log_in, wait_for_log, wait_for_state
from tests.browser.test_identity import App
from tests.product import PASSWORD, Server, User, Worker
from tests.support import SCALE

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: restart}
spec:
  approvalPolicy:
    spec: {gates: [{name: lead, approvers: {users: [bob@example.com]}, requireMfa: true}]}
  template:
    phases:
      - name: wait
        commands: ["echo begun; until test -e %(go)s; do sleep 0.1; done; echo goes on"]
      - name: act
        commands: ["test -e %(mended)s", "echo all is well"]
"""
MOST_TABS = 90
WIDTHS = (360, 768, 1440)
"""A telephone, the rail with its icons alone, and the whole rail."""

EVERY_WIDTH = 2.0
"""From which scale of tests on the story is gone through at each width."""


class Keyboard:
    """Does with keys what a person without a mouse does."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def reach(self, target: Locator) -> None:
        """Go there by the Tab key."""
        target.wait_for()
        for _ in range(MOST_TABS):
            if target.evaluate("(element) => element === document.activeElement"):
                return
            self._page.keyboard.press("Tab")
        raise AssertionError(f"{target} is not reached by the Tab key")

    def press(self, target: Locator) -> None:
        self.reach(target)
        self._page.keyboard.press("Enter")

    def type(self, target: Locator, text: str) -> None:
        """Put a text in the place of what stands in a field."""
        self.reach(target)
        self._page.keyboard.press("Control+a")
        self._page.keyboard.insert_text(text)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Start a server that nobody has set up."""
    server = Server(tmp_path / "new").start()
    yield server
    server.process.kill()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """Return a worker that has not joined yet."""
    worker = Worker(tmp_path / "edge", options=("--name", "edge"))
    yield worker
    if worker.starts:
        worker.process.kill()


def fits(page: Page) -> bool:
    """Return whether what is shown now can be read and is accessible at each width."""
    size = page.viewport_size
    assert size
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": size["height"]})
        assert has_no_horizontal_scroll(page), f"{page.url} is wider than {width} pixels"
        assert page.get_by_role("heading", level=1).is_visible(), width
        if SCALE >= EVERY_WIDTH:  # by all rules at one width it is always
            assert findings(page, NARROW) == [], f"{page.url} at {width} pixels"
    page.set_viewport_size(size)
    return is_accessible(page)


@pytest.mark.parametrize("width", WIDTHS if SCALE >= EVERY_WIDTH else WIDTHS[:1])
def test_the_whole_story_by_keyboard_alone(
    open_page: OpenPage, server: Server, worker: Worker, tmp_path: Path, width: int
) -> None:
    """Go through it on a telephone; the other widths are looked at on the way, or at a scale."""
    page = open_page("/", is_known=False, url=server.url, width=width)
    keys = Keyboard(page)

    # A new server leads to its setup, and then says what to do next.
    expect(page.get_by_role("heading", name="Set up this server")).to_be_visible()
    token = (server.folder / "data/setup-token").read_text().strip()
    page.goto(f"/setup#token={token}")  # as the server has printed it
    expect(page.get_by_label("Setup token")).to_have_value(token)
    assert token not in page.url
    keys.type(page.get_by_label("Code of your org"), "fresh")
    keys.type(page.get_by_label("Your e-mail"), "alice@example.com")
    keys.type(page.get_by_label("Password", exact=True), PASSWORD)
    keys.type(page.get_by_label("Password again"), PASSWORD)
    keys.press(page.get_by_role("button", name="Create the org"))
    steps = page.locator(".first-step")
    expect(steps).to_have_count(5)
    expect(page.locator(".first-step.is-done")).to_have_count(0)
    assert fits(page)

    # A worker joins by the command that is shown.
    keys.press(steps.first.get_by_role("link", name="Show the command…"))
    command = page.get_by_role("dialog").locator(".command-line")
    expect(command).to_contain_text("--join-file -")
    join = re.search(r"opsj1[^']+", command.inner_text())
    assert join
    worker.start(join[0])
    expect(page.get_by_role("dialog").get_by_text("edge has joined.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".worker")).to_have_count(1)
    page.go_back()
    expect(page.locator(".first-step.is-done")).to_have_count(1)

    # A template is pushed, and run.
    page.goto("/push")
    files = {"go": tmp_path / "go", "mended": tmp_path / "mended"}
    keys.type(page.get_by_label("Template (YAML)"), TEMPLATE % files)
    page.keyboard.press("Escape")
    bob = second_account(server, tmp_path)
    keys.press(page.get_by_role("button", name="Push", exact=True))
    keys.press(page.get_by_role("link", name="Run", exact=True).first)
    keys.type(page.get_by_label("Reason"), "it hangs")
    keys.press(page.get_by_role("button", name="Ask to run"))
    wait_for_state(page, "awaiting approval")
    assert fits(page)

    # The second account approves, with a code.
    deciding = open_page("/login", is_known=False, url=server.url, width=width)
    log_in(deciding, bob.email)
    deciding.get_by_role("heading", level=1, name="Home").wait_for()
    app = App(bob.json("totp", "enrol")["secret"])
    recovery_codes = bob.json("totp", "confirm", "--totp", app.code())["codes"]
    approve(deciding, app.code())

    # One watches it; the server is killed, and comes back.
    wait_for_log(page, "begun")
    server.process.kill()
    server.start()
    files["go"].touch()
    wait_for_log(page, "goes on")
    wait_for_state(page, "failed")
    assert fits(page)

    # What failed is mended, and goes on there once it is approved again.
    files["mended"].touch()
    failed_at = page.url
    keys.press(page.get_by_role("button", name="Resume…"))
    keys.press(page.get_by_role("dialog").get_by_role("button", name=re.compile("^Resume|^Ask")))
    page.wait_for_url(lambda url: url != failed_at)
    wait_for_state(page, "awaiting approval")
    approve(deciding, recovery_codes[0])  # the app's next code comes in half a minute
    wait_for_state(page, "succeeded")
    wait_for_log(page, "all is well")

    # What is left of the first steps is said until the person has put it away.
    page.goto("/")
    expect(steps).to_have_text([re.compile("Set up a channel")])
    assert fits(page)
    keys.press(page.get_by_role("button", name="Put the first steps away"))
    page.reload()
    expect(page.get_by_role("list", name="Last 30 runs").get_by_role("link")).not_to_have_count(0)
    expect(page.get_by_role("region", name="First steps")).to_have_count(0)

    # All of it is in the record.
    page.goto("/audit")
    record = page.locator("main tbody tr")
    record.first.wait_for()
    assert fits(page)
    for verb in ("approve", "run", "push", "enrol"):
        expect(record.filter(has_text=re.compile(verb)).first).to_be_attached()
    page.close()
    deciding.close()


def second_account(server: Server, folder: Path) -> User:
    """Add bob to the org, and let him be logged in at a terminal too."""
    alice = User(folder / "alice", "alice@example.com")
    alice.login(server)
    bob = User(folder / "bob", "bob@example.com")
    alice.cli(
        "users", "create", "--email", bob.email, "--role", "manager",
        "--password-file", str(bob.password_file),
    )  # fmt: skip
    bob.login(server)
    return bob


def approve(page: Page, code: str) -> None:
    """Approve what waits by keyboard, with a code."""
    keys, dialog = Keyboard(page), page.get_by_role("dialog")
    page.goto("/")
    keys.press(page.get_by_role("link", name=re.compile("restart")).first)
    keys.press(page.get_by_role("button", name="Approve…"))
    keys.type(dialog.get_by_label(re.compile("Code")), code)
    keys.press(dialog.get_by_role("button", name="Approve"))
    expect(page.locator(".state").first).to_contain_text("approved")
