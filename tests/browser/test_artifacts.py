"""Files that a job left behind, in the page of its automation: taken, seen, and held still."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll
from tests.product import Installation
from tests.support import wait_until

LEAVES = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: leaves}
spec:
  variables: [{id: port, type: number, default: 1}]
  template:
    phases:
      - name: make
        artifacts: ["*.txt", "*.html", "*.png", link]
        commands:
          - printf 'plain <b>text</b>\\n' > notes.txt
          - ln -s /etc/passwd link
          - |
            echo 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==' | base64 -d > dot.png
          - |
            evil="http://127.0.0.1:$OPSICLE_VAR_PORT"
            cat > report.html <<END
            <!doctype html><title>r</title>
            <meta http-equiv="refresh" content="0;url=$evil/meta">
            <link rel="preconnect" href="$evil"><link rel="dns-prefetch" href="$evil">
            <link rel="stylesheet" href="$evil/css"><link rel="prefetch" href="$evil/p">
            <style>body { background: url($evil/css-image); color: rgb(1, 2, 3) }</style>
            <script>document.title = "ran"; fetch("$evil/fetch")</script>
            <img src="$evil/img" onerror="parent.document.title = 'ran'">
            <form id="f" action="$evil/form"><button>send</button></form>
            <a href="$evil/link" target="_top">out</a> <a href="$evil/frame">here</a>
            <p id="said">the report</p>
            END
"""  # noqa: E501


@pytest.fixture
def leaves(installation: Installation) -> str:
    installation.push(LEAVES)
    installation.admin.cli("run", "leaves", "--follow")
    [newest, *_] = installation.admin.json("automations", "list", "--template", "leaves")
    return str(newest["id"])


def test_files_are_listed_taken_and_shown(open_page: OpenPage, leaves: str, tmp_path: Path) -> None:
    page = open_page(f"/automations/{leaves}")
    page.get_by_role("tab", name="Artifacts").click()
    section = page.locator(".artifacts")

    expect(section).to_contain_text("notes.txt")
    expect(section).to_contain_text("not kept: it is a symbolic link")
    with page.expect_download() as download:
        section.get_by_role("link", name="notes.txt").click()
    download.value.save_as(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "plain <b>text</b>\n"

    section.get_by_role("button", name="View notes.txt").click()
    expect(page.get_by_role("dialog")).to_contain_text("plain <b>text</b>")
    page.keyboard.press("Escape")
    section.get_by_role("button", name="View dot.png").click()
    picture = page.get_by_role("dialog").get_by_role("img")
    wait_until(lambda: picture.evaluate("image => image.naturalWidth") == 1)
    page.keyboard.press("Escape")
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert has_no_horizontal_scroll(page)


def test_hostile_html_runs_nothing_and_reaches_nobody(
    browser: Browser, installation: Installation, session: Path
) -> None:
    installation.push(LEAVES)
    with socket.socket() as evil:
        evil.bind(("127.0.0.1", 0))
        evil.listen()
        evil.setblocking(False)
        port = evil.getsockname()[1]
        installation.admin.cli("run", "leaves", "--follow", "--var", f"port={port}")
        [newest, *_] = installation.admin.json("automations", "list", "--template", "leaves")
        context = browser.new_context(base_url=installation.server.url, storage_state=session)
        page = context.new_page()
        page.goto(f"/automations/{newest['id']}?view=artifacts")

        page.get_by_role("button", name="View report.html").click()
        frame = page.frame_locator(".artifact-page")
        expect(frame.locator("#said")).to_have_text("the report")
        colour = frame.locator("body").evaluate("body => getComputedStyle(body).color")
        frame.get_by_text("send").click()
        frame.get_by_text("out").click()
        frame.get_by_text("here").click()
        view = page.locator(".artifact-page").get_attribute("src") or ""
        context.new_page().goto(view)  # opened by itself, it is as harmless
        page.wait_for_timeout(1000)

        assert colour == "rgb(1, 2, 3)"
        assert "ran" not in page.title()
        assert page.url.endswith(f"/automations/{newest['id']}?view=artifacts")
        with pytest.raises(BlockingIOError):
            evil.accept()
        context.close()
