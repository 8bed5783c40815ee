"""Windows of several orgs stand side by side in one browser, and never mix."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import log_in, wait_for_state
from tests.product import Installation

TWIN = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: twin}
spec: {template: {phases: [{name: go, commands: ["true"]}]}}
"""


def test_a_form_that_was_opened_in_one_org_is_sent_in_that_org_whatever_another_window_shows(
    open_page: OpenPage, installation: Installation
) -> None:
    """The templates of both orgs have one name, and only acme has a worker."""
    erin = installation.person("erin-of-two-orgs@example.com", "operator")
    installation.push(TWIN)
    installation.admin.cli("orgs", "create", "umbrella", "--admin", erin.email)
    erin.cli("orgs", "switch", "umbrella")
    twin = erin.folder / "twin.yaml"
    twin.write_text(TWIN)
    erin.cli("templates", "push", str(twin))
    first = open_page("/orgs/acme/templates/twin/run", is_known=False)
    log_in(first, erin.email)
    expect(first.get_by_label("Org", exact=True)).to_have_value("acme")
    first.get_by_role("button", name="Log in").click()
    run = first.get_by_role("button", name="Run now")
    run.wait_for()

    second = first.context.new_page()
    second.goto("/orgs/umbrella/templates/twin")
    second.get_by_label("Org umbrella: switch").wait_for()
    run.click()

    wait_for_state(first, "succeeded")
    assert urlsplit(first.url).path.startswith("/orgs/acme/automations/")
    assert erin.json("automations", "list") == []
    expect(second.get_by_role("link", name="Run", exact=True)).to_have_attribute(
        "href", "/orgs/umbrella/templates/twin/run"
    )
    second.goto("/automations")
    expect(second.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    assert urlsplit(second.url).path == "/orgs/umbrella/automations"
    second.goto("/orgs/nobodys/automations")
    expect(second.get_by_role("heading", name=re.compile("Log in"))).to_be_visible()
