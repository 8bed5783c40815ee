"""An automation that failed, by its page: where it is opened, its plan's log, and cancelling it."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import log_text, wait_for_log, wait_for_state
from tests.product import Installation
from tests.support import wait_until

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: migrate, labels: {opsicle.io/confirm-cancel: "true"}}
spec:
  plan: [{name: look, commands: [echo three tables would change]}]
  template:
    phases:
      - {name: prepare, commands: ["seq -f 'warning %.0f' 200 >&2"]}
      - name: apply
        commands:
          - echo "no such table yet"; seq -f 'row %.0f' 4000
          - |
            seq 50
            [ "$OPSICLE_VAR_CODE" = 0 ] || { echo "no such table" >&2; echo "at 14" >&2; }
            sleep "$OPSICLE_VAR_WAIT"; exit "$OPSICLE_VAR_CODE"
      - {name: put back, when: always, commands: [seq 400; echo all is put back >&2]}
  variables:
    - {id: wait, type: number, default: 0}
    - {id: code, type: number, default: 3}
"""


def test_what_failed_is_opened_at_the_line_where_it_did_and_its_plan_is_read_beside_it(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(TEMPLATE)
    succeeded = installation.admin.json("run", "migrate", "--var", "code=0", "--follow")
    ran = installation.admin.attempt("-o", "json", "run", "migrate", "--follow")
    failed = json.loads(ran.stdout)
    page = open_page(f"/automations/{failed['id']}")

    selected = page.locator(".log-row.is-selected")
    expect(selected).to_have_text(re.compile(r"^\d+no such table$"))
    number = selected.locator(".log-number").inner_text()
    said = page.get_by_label("The last lines that it printed").get_by_role("listitem")
    expect(said).to_have_text([f"{number}no such table", re.compile(r"at 14$")])
    assert "#" not in page.url
    page.locator(".log-scroller").evaluate("element => { element.scrollTop = 0 }")
    page.get_by_role("button", name=f"Go to line {int(number):,}").click()
    expect(selected).to_be_in_viewport()
    assert page.url.endswith(f"#L{number}")

    _reads_errors_alone(page, number)
    _folds_what_is_of_no_interest(page)
    _chooses_lines_by_keyboard(page, number)
    _chooses_lines_by_mouse_and_takes_them_along(page, int(number))

    page.get_by_role("button", name="echo three tables would change").click()
    plan = page.get_by_role("region", name="Log of the plan")
    expect(plan).to_be_visible()
    expect(page.locator(".log-row.is-selected")).to_have_text("1three tables would change")
    page.reload()
    wait_for_log(page, "three tables would change")
    assert "no such table" not in log_text(page)
    page.get_by_role("button", name="Log of the run").click()
    expect(page.get_by_role("button", name="Log of the run")).to_have_attribute(
        "aria-pressed", "true"
    )
    wait_for_log(page, "\n400")  # near the end, wherever the line of the other stream came

    page.get_by_role("tab", name="Compare").click()
    panel = page.get_by_role("tabpanel", name="Compare")
    expect(panel.locator("dd", has_text="0 → 3")).to_be_visible()
    differences = panel.get_by_role("region", name="Differences")
    expect(differences.locator(".is-added")).to_have_text(["+no such table", "+at 14"])
    assert is_accessible(page)
    page.get_by_role("tab", name="Trail").click()
    expect(
        page.get_by_text(re.compile(r"Worker edge ended migrate version \d+ as failed"))
    ).to_be_visible()
    page.get_by_role("tab", name="Compare").click()
    panel.get_by_role("link", name="the last success before it").click()
    expect(page).to_have_url(re.compile(succeeded["id"]))


FAILS_EARLY = """apiVersion: v1
type: AutomationTemplate
metadata: {name: fails-early}
spec:
  variables: [{id: code, type: number, default: 3}]
  template:
    phases:
      - name: apply
        commands:
          - |
            [ "$OPSICLE_VAR_CODE" = 0 ] || echo "no such table" >&2
            seq 400
            exit "$OPSICLE_VAR_CODE"
"""


def test_an_error_above_the_last_lines_is_a_difference_too(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(FAILS_EARLY)
    installation.admin.json("run", "fails-early", "--var", "code=0", "--follow")
    ran = installation.admin.attempt("-o", "json", "run", "fails-early", "--follow")
    page = open_page(f"/automations/{json.loads(ran.stdout)['id']}?view=compare")

    differences = page.get_by_role("region", name="Differences")
    expect(differences.locator(".is-added")).to_have_text(["+no such table"])


def _reads_errors_alone(page: Page, number: str) -> None:
    """Show standard error alone, of which most is not on the page, and search it."""
    field, count = page.get_by_label("Search the log"), page.locator(".log-count")
    field.fill("no such table")
    expect(count).to_have_text(re.compile("[12] of 2"))  # the next from where the page stands
    page.get_by_role("button", name="Errors", exact=True).click()
    expect(count).to_have_text("1 of 1")
    page.locator(".log-scroller").evaluate("element => { element.scrollTop = 0 }")
    wait_for_log(page, "warning 1\n")
    assert "row" not in log_text(page)
    assert page.locator(".log-number").all_inner_texts()[1] == "1"
    assert page.evaluate(CLEARED_AND_SHOWN_ALL_AT_ONCE) == ""
    expect(count).to_be_empty()
    page.get_by_role("button", name=f"Go to line {int(number):,}").click()
    wait_until(lambda: re.search(r"\n(row )?\d+\n", log_text(page)), 60, "the other stream's lines")


CLEARED_AND_SHOWN_ALL_AT_ONCE = """() => {
  const field = document.querySelector(".log-search input");
  field.value = "";
  field.dispatchEvent(new Event("input"));
  document.querySelector(".toggle[aria-pressed=true][title='Show standard error alone']").click();
  return document.querySelector(".log-count").textContent;
}"""
"""What is said to be found then: nothing, for what stood in the field is not looked for again."""


def _folds_what_is_of_no_interest(page: Page) -> None:
    page.get_by_role("button", name="Fold", exact=True).click()
    headings = page.locator(".log-fold")
    wait_until(lambda: not log_text(page).strip(), what="all phases folded")
    apply = headings.filter(has_text="apply")
    expect(apply).to_have_attribute("aria-expanded", "false")
    apply.click()
    wait_for_log(page, "row ")
    expect(apply).to_be_focused()
    page.get_by_role("button", name="Fold", exact=True).click()


def _chooses_lines_by_keyboard(page: Page, number: str) -> None:
    """Choose the line where it failed and the one after it, and copy them."""
    page.get_by_role("button", name=f"Go to line {int(number):,}").click()
    page.locator(".log-scroller").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".log-row.is-selected")).to_have_count(2)
    chosen = f"#L{number}-L{int(number) + 1}"
    wait_until(lambda: page.evaluate("location.hash") == chosen, what="the lines in the address")
    copied = page.locator(".log-scroller").evaluate(
        """element => {
          const clipboardData = new DataTransfer();
          element.dispatchEvent(new ClipboardEvent("copy", { clipboardData }));
          return clipboardData.getData("text/plain");
        }"""
    )
    assert copied.startswith("no such table\n")
    page.keyboard.press("Escape")
    expect(page.locator(".log-row.is-selected")).to_have_count(0)


def _chooses_lines_by_mouse_and_takes_them_along(page: Page, number: int) -> None:
    """Choose three lines, copy them and the address that names them, and see their times."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=f"Go to line {number:,}").click()
    rows = page.locator(".log-row:not(.is-command):not(.is-phase)")
    line = rows.filter(has=page.get_by_text(str(number), exact=True)).locator(".log-number")
    line.click()
    before = rows.filter(has=page.get_by_text(str(number - 2), exact=True))
    before.locator(".log-number").click(modifiers=["Shift"])
    expect(page.locator(".log-row.is-selected")).to_have_count(3)
    assert page.evaluate("location.hash") == f"#L{number - 2}-L{number}"

    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = str(page.evaluate("navigator.clipboard.readText()"))
    assert copied.rstrip("\n").split("\n") == [
        text.inner_text() for text in page.locator(".is-selected .log-text").all()
    ]
    page.get_by_role("button", name="Share", exact=True).click()
    wait_until(
        lambda: page.evaluate("navigator.clipboard.readText()") == page.url, what="the address"
    )
    page.get_by_role("button", name="Times", exact=True).click()
    expect(page.locator(".is-selected .log-time").first).to_have_text(
        re.compile(r"^\d\d:\d\d:\d\d\.\d{3}$")
    )
    page.get_by_role("button", name="Times", exact=True).click()
    page.locator(".log-scroller").press("Escape")
    page.context.clear_permissions()


def test_a_label_of_the_template_has_its_name_typed_before_it_is_cancelled(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(TEMPLATE)
    run = installation.admin.json("run", "migrate", "--var", "wait=600")
    page = open_page(f"/automations/{run['id']}", width=360, theme="dark")
    wait_for_state(page, "running")

    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel the automation").click()
    expect(dialog).to_contain_text("must be migrate")
    dialog.get_by_label(re.compile("^Type migrate")).fill("migrate")
    dialog.get_by_role("button", name="Cancel the automation").click()
    wait_for_state(page, "cancelled")


def test_of_an_automation_that_is_not_there_nothing_is_shown(open_page: OpenPage) -> None:
    page = open_page("/automations/06h1wnsztgrrb64zz45j31pfqf")

    expect(page.get_by_role("alert")).to_contain_text("There is no automation")
    expect(page.get_by_role("tab")).to_have_count(0)
    expect(page.get_by_role("group", name="Log lines")).to_have_count(0)
