"""The channels page, and one's own notifications."""

from __future__ import annotations

import re
import socket

from playwright.sync_api import expect

from opsicle.server.channels.kind_summaries import settings_of_kind
from opsicle.server.channels.kinds import KINDS
from tests.browser.conftest import OpenPage
from tests.browser.reading import choose
from tests.support import wait_until

KEY = "0123456789abcdef0123456789abcdef"


def test_a_channel_is_made_tried_and_deleted_and_its_key_never_shown(open_page: OpenPage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    page = open_page("/channels")
    expect(page.get_by_text("No channels")).to_be_visible()
    page.get_by_role("button", name="New channel…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("hooks")
    dialog.get_by_label("Kind").select_option("webhook")
    dialog.get_by_label("URL").fill(f"http://127.0.0.1:{port}/")
    dialog.get_by_label("Key that signs").fill("short")
    dialog.get_by_role("button", name="Make the channel").click()
    expect(dialog.locator(".field-error", has_text="without TLS")).to_be_visible()
    dialog.get_by_label("Private networks").fill("127.0.0.0/8")
    dialog.get_by_role("button", name="Make the channel").click()
    expect(dialog.locator(".field-error", has_text="at least 16 bytes")).to_be_visible()
    dialog.get_by_label("Key that signs").fill(KEY)
    dialog.get_by_role("button", name="Make the channel").click()
    expect(dialog).to_have_count(0)
    choose(page, "hooks", "Test hooks")
    page.get_by_role("button", name="Send it").click()
    expect(dialog).to_have_count(0)

    def has_failed() -> int:
        page.reload()
        expect(page.locator("main table")).to_have_count(2)
        return page.get_by_text("cannot be reached").count()

    wait_until(has_failed, what="the failed delivery")
    kinds = page.get_by_label("any kind", exact=True)
    kinds.select_option("requests")
    expect(page.get_by_text("No delivery fits.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("No delivery fits.")).to_be_visible()
    kinds.select_option("tests")
    expect(page.get_by_text("cannot be reached")).to_be_visible()
    expect(page.locator("td .state-retrying")).to_contain_text("retrying")
    expect(page.locator("td .state-failed")).to_have_count(0)  # it is only once it is given up
    page.get_by_role("button", name=re.compile("^Show Opsicle can reach you")).click()
    expect(dialog).to_contain_text("cannot be reached")
    dialog.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Retry Opsicle can reach you").click()
    page.get_by_role("button", name="Try again").click()
    expect(dialog).to_have_count(0)
    assert KEY not in page.content()

    # Where it sends to is changed, for which its key has to be given anew.
    page.goto("/channels?show=hooks")
    expect(dialog.get_by_label("Private networks")).to_have_value("127.0.0.0/8")
    address = dialog.get_by_label("URL")
    expect(address).to_have_value(f"http://127.0.0.1:{port}/")
    address.fill(f"http://127.0.0.1:{port}/other")
    dialog.get_by_role("button", name="Keep the changes").click()
    expect(dialog.locator(".field-error", has_text="give the credential anew")).to_be_visible()
    dialog.get_by_label("Key that signs").fill(KEY)
    with page.expect_response("**/api/v1/channels/hooks") as changed:
        dialog.get_by_role("button", name="Keep the changes").click()
    config = changed.value.json()["config"]
    assert config["url"] == f"http://127.0.0.1:{port}/other"
    assert config["allow_networks"] == ["127.0.0.0/8"]
    expect(dialog).to_have_count(0)
    assert KEY not in page.content()
    choose(page, "hooks", "Delete hooks")
    page.get_by_role("button", name="Delete the channel").click()
    expect(page.get_by_text("No channels")).to_be_visible()


def test_the_form_knows_slack(open_page: OpenPage) -> None:
    page = open_page("/channels")
    page.get_by_role("button", name="New channel…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("slack")
    dialog.get_by_label("Kind").select_option("slack")
    tokens = dialog.get_by_label("App token and bot token")
    tokens.fill("xoxb-1-abcdefgh")
    dialog.get_by_role("button", name="Make the channel").click()
    expect(dialog.locator(".field-error", has_text="both tokens")).to_be_visible()
    tokens.fill("xapp-1-abcdefgh xoxb-1-abcdefgh")
    dialog.get_by_label("Address of the API").fill("https://127.0.0.1:1/api")
    dialog.get_by_role("button", name="Make the channel").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("cell", name="slack", exact=True).first).to_be_visible()
    choose(page, "slack", "Delete slack")
    page.get_by_role("button", name="Delete the channel").click()
    expect(page.get_by_text("No channels")).to_be_visible()


def test_the_form_asks_for_what_the_server_says_of_each_kind(open_page: OpenPage) -> None:
    page = open_page("/channels")
    page.get_by_role("button", name="New channel…").click()
    dialog = page.get_by_role("dialog")
    offered = dialog.get_by_label("Kind").locator("option")
    expect(offered).to_have_text([kind.label for kind in KINDS])

    for kind in KINDS:
        dialog.get_by_label("Kind").select_option(kind.name)
        for setting in settings_of_kind(kind):
            expect(dialog.get_by_label(setting.label)).to_have_value(str(setting.default or ""))
        expect(dialog.get_by_label(kind.credential)).to_have_value("")

    dialog.get_by_label("Name", exact=True).fill("mail")
    dialog.get_by_label("Kind").select_option("email")
    dialog.get_by_label("Mail server").fill("mail.example.com")
    dialog.get_by_label("Sender").fill("ops@example.com")
    dialog.get_by_label("Port").fill("465")
    dialog.get_by_label("Security").select_option("tls")
    with page.expect_response("**/api/v1/channels") as made:
        dialog.get_by_role("button", name="Make the channel").click()
    assert made.value.json()["config"] == {
        "kind": "email",
        "host": "mail.example.com",
        "port": 465,
        "security": "tls",
        "sender": "ops@example.com",
        "username": "",
        "allow_networks": [],
        "ca_pem": "",
    }
    choose(page, "mail", "Delete mail")
    page.get_by_role("button", name="Delete the channel").click()
    expect(page.get_by_text("No channels")).to_be_visible()


def test_a_forgotten_password_is_asked_for_from_the_login(open_page: OpenPage) -> None:
    page = open_page("/login", is_known=False)
    page.get_by_role("link", name="Forgotten password?").click()
    page.get_by_label("E-mail").fill("nobody@example.com")
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_text("a link is on its way to you")).to_be_visible()
