"""Writing a template: offers, mistakes at their lines, what it makes, and what is kept of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll, run_now, wait_for_log
from tests.product import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata:
  name: written
spec:
  template:
    phases:
      - name: act
        commands:
          - echo "$HOME" # <b>
"""


def test_what_is_missing_is_named_at_its_line(open_page: OpenPage) -> None:
    page = open_page("/push")
    expect(page.locator(".main-nav [aria-current]")).to_have_text("Templates")

    page.get_by_label("Template (YAML)").fill(TEMPLATE.replace("commands", "comands"))

    remarks = page.locator(".editor-remark")
    expect(remarks.first).to_have_text("`commands` is missing")
    expect(remarks.nth(1)).to_contain_text("did you mean `commands`?")
    found = page.locator(".findings")
    expect(found.get_by_text("2 mistakes", exact=True)).to_be_visible()
    page.get_by_label("Template (YAML)").fill("a: [")
    expect(found.get_by_text("1 mistake", exact=True)).to_be_visible()
    expect(found.get_by_text("it is not YAML")).to_have_count(1)
    page.get_by_label("Template (YAML)").fill(TEMPLATE.replace("commands", "comands"))
    expect(found.get_by_text("2 mistakes", exact=True)).to_be_visible()
    before = page.get_by_text("As the text was when it last had no mistakes.")
    expect(before).to_be_visible()
    height = "element => element.clientHeight"
    editor = page.locator(".editor")
    assert editor.locator(".editor-numbers").evaluate(height) >= editor.evaluate(height)

    page.get_by_label("Template (YAML)").fill(TEMPLATE)
    expect(before).to_be_hidden()


def test_a_template_is_written_with_offers_mistakes_and_a_draft_that_outlives_the_page(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(TEMPLATE)
    page = open_page("/templates/written")
    page.get_by_role("link", name="New version").click()
    editor = page.get_by_label("Template (YAML)")
    expect(editor).to_have_value(TEMPLATE)
    expect(page.locator(".code-variable")).to_have_text(["$HOME"])
    expect(page.locator(".code-comment")).to_have_text([" # <b>"])

    editor.press("Control+End")
    editor.press_sequentially("        tim")
    offers = page.get_by_role("listbox").get_by_role("option")
    expect(offers).to_have_text([re.compile("^timeout")])
    editor.press("Enter")
    editor.press_sequentially("90")
    editor.press("Enter")
    editor.press_sequentially("whe")
    editor.press("Tab")
    expect(offers).to_have_text(["success", "failure", "always"])
    editor.press("ArrowDown")
    editor.press("ArrowDown")
    editor.press("Enter")
    written = f"{TEMPLATE}        timeout: 90\n        when: always"
    expect(editor).to_have_value(written)
    expect(page.get_by_role("region", name="What it makes")).to_contain_text("always")

    editor.press("Enter")
    editor.press_sequentially("shel: /bin/sh")
    wrong = page.locator(".editor-line.is-wrong")
    expect(wrong).to_contain_text("did you mean `shell`?")
    editor.press("Control+Home")
    editor.press("F8")
    chosen = "document.activeElement.value.slice(document.activeElement.selectionStart).trim()"
    assert page.evaluate(chosen) == "shel: /bin/sh"
    for width in (1440, 768, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert has_no_horizontal_scroll(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    editor.press("Escape")
    editor.press("Tab")
    expect(page.get_by_label("What changes, and why")).to_be_focused()

    page.go_back()
    page.get_by_role("dialog").get_by_role("button", name="Stay").click()
    assert page.url.endswith("/templates/written/push")
    page.get_by_role("link", name="Home").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
    installation.push(TEMPLATE.replace("echo", "printf"))
    page.go_back()
    expect(page.get_by_text("Here is what you had typed, and not pushed.")).to_be_visible()
    expect(page.get_by_text("Version 2 has been pushed since")).to_be_visible()
    editor.fill(written)
    page.get_by_label("What changes, and why").fill("runs in any case")
    page.get_by_role("button", name="Push").click()
    page.get_by_role("button", name="Push over version 2").click()

    expect(page.get_by_text("runs in any case")).to_be_visible()
    page.get_by_role("link", name="New version").click()
    expect(editor).to_have_value(written)
    expect(page.get_by_text("Here is what you had typed")).to_have_count(0)


def test_a_draft_is_tried_on_a_chosen_worker_and_is_no_template_for_anybody(
    open_page: OpenPage, installation: Installation
) -> None:
    name, before = "tried-new", TEMPLATE.replace("written", "tried-new")
    page = open_page("/push")
    editor = page.get_by_label("Template (YAML)")
    labelled = before.replace(f"name: {name}", f"labels: {{name: {name}}}\n  name: {name}")
    typed = labelled.replace("$HOME", "as typed")
    editor.fill(typed)
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Run {name}")
    expect(page.get_by_text("it is in no list")).to_be_visible()
    assert is_accessible(page)
    page.get_by_label("Worker").select_option("edge")
    run_now(page)
    wait_for_log(page, "as typed")

    expect(page.get_by_text(f"{name} draft")).to_be_visible()
    page.get_by_role("button", name="Run again…").click()
    page.get_by_role("dialog").get_by_role("button", name="Run it now").click()
    wait_for_log(page, "as typed")
    listed = installation.admin.json("templates", "list", "--limit", "500")
    assert name not in {each["name"] for each in listed}
    page.get_by_role("link", name="Edit the draft").click()
    expect(editor).to_have_value(typed)
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page).to_have_url(re.compile(rf"/templates/{name}$"))
    assert installation.admin.json("templates", "show", name)["version"] == 1


def test_of_two_who_edit_one_template_the_second_sees_what_the_first_has_changed(
    open_page: OpenPage, installation: Installation
) -> None:
    name = "edited-by-two"
    source = TEMPLATE.replace("written", name)
    installation.push(source)
    page = open_page(f"/templates/{name}/push")
    editor = page.get_by_label("Template (YAML)")
    expect(editor).to_have_value(source)
    mine = source.replace("$HOME", "$PATH")
    editor.fill(mine)
    installation.push(source.replace("$HOME", "theirs"))

    page.get_by_role("button", name="Push", exact=True).click()

    expect(page.get_by_text("was first with version 2")).to_be_visible()
    expect(page.get_by_role("region", name="Differences")).to_contain_text(
        '+          - echo "theirs"'
    )
    expect(editor).to_have_value(mine)
    assert is_accessible(page)
    page.get_by_role("button", name="Push over version 2").click()
    page.wait_for_url(f"**/templates/{name}")
    assert installation.admin.json("templates", "show", name)["version"] == 3


def test_the_command_line_says_what_was_changed_since_the_expected_version(
    installation: Installation, tmp_path: Path
) -> None:
    name = "pushed-by-two"
    source = TEMPLATE.replace("written", name)
    for each in (source, source.replace("$HOME", "theirs")):
        installation.push(each)
    file = tmp_path / "mine.yaml"
    file.write_text(source.replace("$HOME", "mine"))

    refused = installation.admin.attempt("templates", "push", str(file), "--expected-version", "1")

    assert refused.returncode == 5
    assert '+          - echo "theirs"' in refused.stderr
    assert "version 2 of pushed-by-two has been pushed by alice@example.com" in refused.stderr
    installation.admin.cli("templates", "push", str(file), "--expected-version", "2")
