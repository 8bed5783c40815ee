"""Home: what waits, what runs, what has failed and at which line, and how things go."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.templates import COUNT
from tests.product import Installation
from tests.thin_api import Api

BREAKS = """apiVersion: v1
type: AutomationTemplate
metadata: {name: breaks}
spec:
  metadata: {displayName: Breaks at its third line}
  template:
    phases:
      - name: check
        commands:
          - printf 'one\\ntwo\\n'
          - printf '\\033[31mdisk <b>full</b>\\033[0m\\n' >&2
          - echo "after that"; exit 7
        retries: {limit: 1}
      - {name: put back, when: always, commands: [echo "all is put back" >&2]}
"""


def test_what_has_failed_stands_on_home_with_its_line_and_leads_there(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(BREAKS)
    installation.admin.attempt("run", "breaks", "--follow")
    planned = installation.admin.json("run", "breaks", "--at", "72h")
    page = open_page("/")
    expect(page.get_by_role("list", name="Workers").get_by_role("link")).not_to_have_count(0)
    running = page.locator(f".tile-row[href$='{planned['id']}']")
    expect(running).to_have_count(0)  # it begins in three days
    installation.admin.cli("automations", "cancel", planned["id"])
    own = page.get_by_role("list", name="Waits for you")
    row = own.get_by_role("link", name=re.compile("^failed breaks"))

    expect(row).to_contain_text(re.compile(r"exit code 7, at attempt 2\d+\s+disk <b>full</b>"))
    assert is_accessible(page)
    row.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Breaks at its third line")
    expect(page.locator(".log-row.is-selected")).to_contain_text("disk <b>full</b>")
    assert is_accessible(page)
    page.get_by_role("tab", name="Trail").click()
    lines = page.get_by_role("list", name="The last lines that it printed")
    expect(lines).to_contain_text("disk <b>full</b>")
    page.get_by_role("button", name=re.compile("^Go to line")).click()
    expect(page.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".log-row.is-selected")).to_contain_text("disk <b>full</b>")


def test_what_fails_again_and_again_is_one_row_and_hides_no_other(
    open_page: OpenPage, installation: Installation
) -> None:
    quick = BREAKS.replace("name: breaks", "name: flaps")
    installation.push(quick)
    installation.push(quick.replace("flaps", "broke-once"))
    for name in ("broke-once", "flaps", "flaps", "flaps"):
        installation.admin.attempt("run", name, "--follow")
    page = open_page("/", width=360)
    failed = page.get_by_role("list", name="Waits for you")

    expect(failed.get_by_role("listitem").filter(has_text="broke-once")).to_have_count(1)
    expect(failed.get_by_role("listitem").filter(has_text="flaps")).to_have_count(1)
    headings = page.locator(".tile h2").all_inner_texts()
    assert headings.index("Workers") == headings.index("Failed since yesterday") + 1
    failed.get_by_role("link", name=re.compile("broke-once")).click()
    chosen = page.locator(".log-row.is-selected")
    expect(chosen).to_be_in_viewport()  # on a telephone too, where the log is further down
    page.get_by_role("tab", name="Trail").click()
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("button", name=re.compile("^Go to line")).click()
    expect(chosen).to_contain_text("disk <b>full</b>")
    expect(chosen).to_be_in_viewport()
    page.get_by_role("link", name="Home", exact=True).click()
    failed.get_by_role("link", name="2 more failed: flaps").click()

    expect(page.locator("main tbody tr")).to_have_count(3)


def test_what_a_person_ran_and_failed_waits_for_them_until_it_has_succeeded(
    open_page: OpenPage, installation: Installation, tmp_path: Path
) -> None:
    runner = installation.person("own-failures@example.com", "operator")
    flag = tmp_path / "is-mended"
    source = BREAKS.replace("name: breaks", "name: mended").replace("exit 7", f"test -e {flag}")
    installation.push(source)
    installation.push(source.replace("mended", "left-broken"))
    runner.attempt("run", "mended", "--follow")
    page = open_page("/", who=runner)
    waiting = page.get_by_role("list", name="Waits for you")
    row = waiting.get_by_role(
        "link", name=re.compile("mended ?Your run ended badly: phase check failed")
    )
    expect(row).to_be_visible()

    runner.attempt("run", "left-broken", "--follow")
    left = waiting.get_by_role("link", name=re.compile("left-broken ?Your run ended badly"))
    expect(left).to_be_visible()
    expect(row).to_be_visible()
    failed = page.get_by_role("list", name="Failed since yesterday")
    expect(failed.get_by_role("link", name=re.compile("Your run|left-broken"))).to_have_count(0)
    flag.touch()
    installation.admin.cli("run", "mended", "--follow")
    expect(row).to_have_count(0)
    expect(left).to_be_visible()
    expect(failed.get_by_role("link", name=re.compile("mended"))).to_be_visible()


def test_home_follows_what_runs_and_sums_up_how_it_went(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(COUNT.replace("name: count}", "name: home-counts}"))
    page = open_page("/")
    running = page.get_by_role("list", name="Running now").get_by_role("link", name="home-counts")
    workers = page.get_by_role("list", name="Workers").get_by_role("link", name="edge")
    expect(workers).to_contain_text("0 of 4 busy")
    expect(page.get_by_text("…", exact=True)).to_have_count(0)  # all failing lines are there

    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    with Api(installation.access()) as api:
        automation_id = api.run("home-counts")
        expect(running).to_contain_text("on edge")
        expect(workers).to_contain_text("1 of 4 busy")
        api.json("POST", f"/api/v1/automations/{automation_id}/cancel")

    expect(running).to_have_count(0)
    strip = page.get_by_role("list", name="Last 30 runs").locator("li", has_text="home-counts")
    expect(strip.get_by_role("img")).to_have_accessible_name(re.compile("1 cancelled"))
    each = Counter(path.rpartition("/api/v1/")[2] for path in asked)
    looks = each.pop("workers")
    each.pop("approvals")  # by the bell too
    rare = [each.pop(name, 0) for name in ("templates", "users", "channels")]
    assert max(rare) <= 1  # after a minute, which a busy machine takes for this
    assert set(each) <= {"events", "automations", "recent-runs"}
    assert max(each.values()) <= looks + 1


def test_what_cannot_be_loaded_is_not_shown_as_nothing(open_page: OpenPage) -> None:
    page = open_page("/profile")
    page.route("**/api/v1/workers*", lambda route: route.abort())

    page.goto("/")

    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    expect(page.get_by_text("Nothing waits for you.")).to_be_hidden()
    expect(page.get_by_text("No worker has joined yet.")).to_be_hidden()
