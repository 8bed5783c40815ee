"""Triggers in the browser: pushed, their secret shown once, called, paused, given a new secret."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import choose, wait_for_state
from tests.product import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

TRIGGER = """apiVersion: v1
type: Trigger
metadata: {name: on-request}
spec:
  template: asked-for
  verify: bearer
  values: {who: {pointer: /who}}
"""

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: asked-for}
spec:
  variables: [{id: who, type: string}]
  template: {phases: [{name: act, commands: ["echo asked for"]}]}
"""


def test_a_trigger_is_pushed_called_paused_and_gets_a_new_secret(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(TEMPLATE)
    page = open_page("/triggers")
    page.get_by_role("button", name="Push a trigger").click()
    page.get_by_label("Trigger (YAML)").fill(TRIGGER.replace("/who", "who"))
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_text("is no pointer")).to_be_visible()
    page.get_by_label("Trigger (YAML)").fill(TRIGGER)
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_text("it is never shown again")).to_be_visible()
    secret = page.locator("pre.command-line", has_text="whsec_").inner_text()

    url = f"{installation.server.url}/hooks/{installation.org}/on-request"
    called = subprocess.run(
        ["curl", "--silent", "--cacert", installation.server.folder / "data/ca.pem", url,
         "--header", f"Authorization: Bearer {secret}", "--data", '{"who": "a curl"}'],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert '"automation":' in called.stdout

    page.reload()
    page.get_by_role("button", name="Show on-request").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("who=a curl")).to_be_visible()
    expect(dialog.get_by_text(url)).to_be_visible()
    page.keyboard.press("Escape")
    choose(page, "on-request", "Pause on-request")
    expect(page.get_by_text("paused", exact=True)).to_be_visible()

    choose(page, "on-request", "New secret for on-request")
    page.get_by_role("button", name="Make a new secret").click()
    expect(page.locator("pre.command-line", has_text="whsec_")).not_to_have_text(secret)
    page.get_by_role("row", name="on-request").get_by_role("link").click()
    expect(page.get_by_text("started by trigger on-request")).to_be_visible()


def test_a_sample_says_what_it_would_start_and_starts_it_when_that_is_meant(
    open_page: OpenPage, installation: Installation, tmp_path: Path
) -> None:
    installation.push(TEMPLATE.replace("asked-for", "sampled"))
    file = tmp_path / "trigger.yaml"
    file.write_text(TRIGGER.replace("asked-for", "sampled").replace("on-request", "with-samples"))
    installation.admin.cli("triggers", "push", str(file))
    page = open_page("/triggers")
    page.get_by_role("button", name="Show with-samples").click()
    page.get_by_role("button", name="Send a sample…").click()
    body = page.get_by_label("Body (JSON)")
    expect(body).to_have_value(re.compile('"who": "who"'))

    body.fill('{"who": ["a", "list"]}')
    page.get_by_role("button", name="See what it would start").click()
    expect(page.get_by_text("The body does not fit.")).to_be_visible()
    body.fill('{"who": "me"}')
    page.get_by_role("button", name="See what it would start").click()
    expect(page.get_by_text("It would start sampled, version 1.")).to_be_visible()
    expect(page.get_by_text("Signed by Authorization.")).to_be_visible()
    assert is_accessible(page, "dialog[open]")
    page.get_by_role("button", name="Run it for real").click()
    page.get_by_role("link", name="See the automation").click()

    wait_for_state(page, "succeeded")
