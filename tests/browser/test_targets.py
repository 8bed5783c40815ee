"""Targets in the browser: made of their parts, shown, changed, deleted."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from opsicle.domain.ssh_host_keys import fingerprint
from tests.browser.conftest import OpenPage
from tests.browser.layout import fits_every_width_in_both_themes
from tests.product import Installation
from tests.services.targeting import HOST_KEY

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def test_a_target_is_made_shown_changed_and_deleted(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/targets")
    page.get_by_role("button", name="New target").click()
    for label, text in {
        "Name": "web1",
        "Host": "-oProxyCommand=id",
        "User": "deploy",
        "Private key": "web-key",
        "Host keys": f"{HOST_KEY} root@web1\n",
        "Labels": "role=web\nenv = prod\n",
    }.items():
        page.get_by_role("dialog").get_by_label(label).first.fill(text)
    page.get_by_role("button", name="Make the target").click()
    expect(page.get_by_text("is no host")).to_be_visible()
    page.get_by_role("dialog").get_by_label("Host").first.fill("web1.example.com")
    page.get_by_role("button", name="Make the target").click()

    page.get_by_role("link", name="web1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("web1")
    expect(page.get_by_text(fingerprint(HOST_KEY))).to_be_visible()
    expect(page.get_by_text("env=prod", exact=True)).to_be_visible()
    fits_every_width_in_both_themes(page, "/targets/web1")

    page.get_by_role("button", name="Change").click()
    text = page.get_by_label("Target (YAML)")
    text.fill(text.input_value().replace("port: 22", "port: 2222"))
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text("there is no secret web-key yet")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("row", name="2222")).to_be_visible()
    assert installation.admin.json("targets", "show", "web1")["port"] == 2222

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the target").click()
    expect(page.get_by_role("heading", name="No targets")).to_be_visible()
