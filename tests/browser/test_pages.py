"""Every page has its heading, fits a telephone, has both themes, and complains of nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.layout import fits_every_width_in_both_themes
from tests.browser.page_table import PAGE_TABLE
from tests.browser.reading import choose, has_no_horizontal_scroll, worker_card
from tests.e2e.clocks import SetClock
from tests.e2e.people import Authenticator
from tests.product import PASSWORD, Installation, User

PAGES = {
    entry.path: entry.title
    for entry in PAGE_TABLE
    if entry.group != "open" and ":" not in entry.path
} | {
    "/templates/greet": "Greet somebody",
    "/templates/greet?view=source": "Greet somebody",
    "/templates/greet?view=versions": "Greet somebody",
    "/templates/greet?view=history": "Greet somebody",
    "/templates/greet/run": "Run Greet somebody",
    "/templates/greet/push": "New version of greet",
    "/approvals?whose=all": "Approvals",
    "/workers/edge": "edge",
    "/nowhere": "Nothing here",
}
COUNT = re.compile(r"^\(\d+\) ")
"""How many approvals wait, before the title of their page: other tests have asked for some."""

LONG_EMAIL = "maximiliane.von-der-wartenberg-schulze@operations.example.com"
"""As long as such names get: no list may cut it off."""

OPEN = {entry.path: entry.title for entry in PAGE_TABLE if entry.group == "open"}
WITH_STORIES = {"/automations/:id", "/approvals/:id", "/targets/:name"}
"""Pages of what has to happen first: tests of their own look at them."""


def test_the_application_has_the_pages_that_are_walked_here(open_page: OpenPage) -> None:
    table = open_page("/templates").evaluate(
        """async () => (await import("/page-table.js")).PAGES
              .filter(({ path }) => path !== "/login")
              .map(({ group, path, title, may }) => [group, path, title, may ?? ""])"""
    )

    assert table == [[entry.group, entry.path, entry.title, entry.may] for entry in PAGE_TABLE]
    for entry in PAGE_TABLE:
        address = re.compile(entry.path.replace(":name", "(greet|edge)"))
        assert entry.path in WITH_STORIES or any(
            address.fullmatch(path) for path in {**PAGES, **OPEN}
        ), entry


def test_every_page_has_its_heading_fits_every_width_in_both_themes_and_names_its_controls(
    open_page: OpenPage, installation: Installation
) -> None:
    """Walk through all pages in one window, from one to the next as by links.

    To load each anew would be most of the work; that they are found by their addresses is what the
    tests of each begin with.
    """
    _sets_up_an_app(installation.person(LONG_EMAIL, "member"))

    page = open_page("/templates")
    for path, title in PAGES.items():
        go_to(page, path)

        expect(page.get_by_role("heading", level=1), path).to_have_text([title])
        expect(page.locator("main .loading"), path).to_have_count(0)
        expect(page.locator("main .box-bad"), path).to_have_count(0)
        assert COUNT.sub("", page.title()) == f"{title} · acme · Opsicle", path
        assert page.evaluate(NAMELESS) == [], path
        is_first = path == "/"  # the rail and the bar are the same on all
        fits_every_width_in_both_themes(page, path, "html" if is_first else "main")


def test_every_page_that_needs_no_login_does_so_too(open_page: OpenPage) -> None:
    page = open_page("/login", is_known=False)
    for path, title in (OPEN | {"/login": "Log in"}).items():
        go_to(page, path)

        expect(page.get_by_role("heading", level=1), path).to_have_text([title])
        assert page.title() == f"{title} · Opsicle", path
        assert page.evaluate(NAMELESS) == [], path
        fits_every_width_in_both_themes(page, path)


def _sets_up_an_app(person: User) -> None:
    """Make the record say something that names the person twice."""
    app = Authenticator(person.json("totp", "enrol")["secret"])
    person.json("totp", "confirm", "--totp", app.code())


GO_TO = """async (path) => {
  document.querySelector("h1").dataset.isLeft = "";
  (await import("/lib/router.js")).navigate(path);
}"""

NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, textarea")]
  .filter((element) => !(element.textContent.trim() || element.closest("[aria-hidden=true]")
    || element.labels?.length || element.getAttribute("aria-label")))
  .map((element) => element.outerHTML)"""


def go_to(page: Page, path: str) -> None:
    """Go to another page as a link would, and wait until it has taken the place of this one."""
    page.evaluate(GO_TO, path)
    expect(page.locator("h1[data-is-left]")).to_have_count(0)


@pytest.mark.parametrize("role", ["reporter", "member"])
def test_whoever_is_led_to_a_page_may_see_what_is_on_it(
    open_page: OpenPage, installation: Installation, role: str
) -> None:
    somebody = installation.account(f"led-{role}@example.com", role)
    page = open_page("/", who=somebody)
    allowed = page.evaluate(
        """async () => (await import("/lib/session.js")).whoAmI().permissions"""
    )
    led_to = {
        str(link.get_attribute("href")).removeprefix("/orgs/acme")
        for link in page.locator(".main-nav a, .menu-list a").all()
    }

    shown = {entry for entry in PAGE_TABLE if entry.group in {"main", "manage", "account"}}
    assert led_to == {entry.path for entry in shown if not entry.may or entry.may in allowed}
    assert len(led_to) < len(shown)  # there is something that this role does not see
    titles = {entry.path: entry.title for entry in shown}
    for path in sorted(led_to):
        page.locator(f'.main-nav a[href$="acme{path}"], .menu-list a[href$="acme{path}"]').evaluate(
            "link => link.click()"  # some are in a menu that is closed
        )
        expect(page.get_by_role("heading", level=1)).to_have_text(titles[path])
        expect(page.locator("main .loading")).to_have_count(0)
        expect(page.locator("main .box-bad")).to_have_count(0)
        # who may not make the first one is not told the command, but who can
        expect(page.locator("main .to-copy")).to_have_count(0)


def test_moving_between_pages_moves_the_focus_to_the_heading(open_page: OpenPage) -> None:
    page = open_page("/templates")
    page.get_by_role("link", name="Workers").click()
    expect(page.get_by_role("heading", level=1, name="Workers")).to_be_focused()
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="Templates")).to_be_focused()


def test_the_chosen_theme_is_remembered_and_other_windows_follow(open_page: OpenPage) -> None:
    page = open_page("/templates")
    other = page.context.new_page()
    other.goto("/people")
    expect(other.locator("html")).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(other.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_theme_of_the_system_that_changes_without_an_event_is_followed(
    open_page: OpenPage,
) -> None:
    page = open_page("/templates", is_own=True)
    page.add_init_script(
        "MediaQueryList.prototype.addEventListener = () => {}"  # as Chromium while a page begins
    )
    page.reload()
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_templates_are_found_by_owner_and_the_search_stays_in_the_address(
    open_page: OpenPage,
) -> None:
    page = open_page("/templates")
    page.get_by_label("Search templates").fill("ada")
    expect(page.locator(".template-rows tbody tr")).to_have_count(1)
    page.reload()
    expect(page.locator(".template-rows tbody tr")).to_have_count(1)
    owners = page.get_by_role("columnheader", name="Owners")
    expect(owners).to_be_visible()
    page.get_by_label("Search templates").fill("many-lines")
    expect(page.locator(".template-rows tbody tr")).to_have_count(1)
    expect(owners).to_be_hidden()  # a column in which nothing stands is left out


def test_a_template_is_pushed_after_its_mistakes_were_shown_beside_their_lines(
    open_page: OpenPage,
) -> None:
    page = open_page("/push")
    editor = page.get_by_label("Template (YAML)")
    good = editor.input_value().replace("restart-web", "pushed-here")
    editor.fill(good.replace("commands:", "comands:"))
    expect(page.locator(".editor-numbers .is-wrong").first).to_be_visible()
    page.get_by_role("button", name="Push").click()
    expect(page.locator(".findings")).to_contain_text("comands")
    assert is_accessible(page)
    page.locator(".findings").get_by_role("button", name=re.compile("line")).first.click()
    expect(editor).to_be_focused()
    editor.fill(good)
    page.get_by_role("button", name="Push").click()
    page.wait_for_url("**/templates/pushed-here")
    expect(page.get_by_role("heading", level=1)).to_have_text("Restart the web tier")


def test_two_versions_are_compared(open_page: OpenPage, installation: Installation) -> None:
    for word in ("first", "second"):
        installation.push(
            "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: changing}\n"
            "spec:\n  template:\n    phases:\n"
            f"      - name: say\n        commands: [echo {word}]\n"
        )
    page = open_page("/templates/changing?view=versions")
    expect(page.locator(".diff-side.is-removed")).to_contain_text("echo first")
    expect(page.locator(".diff-side.is-removed + .is-added")).to_contain_text("echo second")


def test_the_workers_page_shows_how_to_join_and_drains(open_page: OpenPage) -> None:
    page = open_page("/workers")
    card = worker_card(page, "edge")
    expect(card).to_contain_text("connected")
    expect(card).to_contain_text("site=ams")
    page.get_by_role("button", name="Add a worker…").click()
    command = page.get_by_role("dialog").locator(".command-line")
    expect(command).to_contain_text("| opsicle worker --join-file - --data-dir ./opsicle-worker")
    expect(page.get_by_role("dialog")).to_contain_text("Works once, for 14 min")
    assert is_accessible(page, "dialog")
    dialog = page.get_by_role("dialog")
    for way, text in {
        "A service of systemd": "systemctl enable --now opsicle-worker",
        "Docker or Podman Compose": "stop_grace_period: 65m",
        "Kubernetes": "kind: StatefulSet",
    }.items():
        dialog.get_by_label("How it runs").select_option(way)
        expect(command).to_contain_text(text)
        token = re.search(r"opsj1\S+?(?=['\s])", command.inner_text())
        assert token, way
    dialog.get_by_label("Labels that it is granted").fill("no label")
    dialog.get_by_label("Jobs at once").fill("7")
    expect(dialog.locator(".field-error", has_text="label")).to_be_visible()
    dialog.get_by_label("Labels that it is granted").fill("site=fra")
    dialog.get_by_role("button", name="Make another").focus()
    expect(command).not_to_contain_text(token[0])
    expect(command).to_contain_text('"7"]')
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    card.get_by_role("button", name="Drain…").click()
    page.get_by_role("dialog").get_by_role("button", name="Drain", exact=True).click()
    card.get_by_role("button", name="Take work again").click()
    expect(card.get_by_role("button", name="Drain…")).to_be_visible()


def test_what_a_worker_only_says_of_itself_stands_apart_and_one_without_work_says_why(
    open_page: OpenPage, installation: Installation, tmp_path: Path
) -> None:
    token = installation.admin.json("workers", "token", "--label", "site=fra")["token"]
    installation.join("claims", token, None, "--label", "env=production")
    clock = SetClock(tmp_path, "+0")
    late = installation.worker("late", clock.place)
    late.process.stop()
    clock.set("+3h")
    late.start()

    page = open_page("/workers")

    card = worker_card(page, "claims")
    expect(card.locator(".worker-labels")).to_have_text(
        re.compile("^site=fra only says of itself: env=production$")
    )
    card = worker_card(page, "late")
    expect(card).to_contain_text("gets no work")
    expect(card).to_contain_text("It is given no work: its clock is 3 h ahead of the server's.")
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert has_no_horizontal_scroll(page)
    for name in ("claims", "late"):
        installation.admin.cli("workers", "revoke", name)


def test_an_admin_adds_a_person_mistakes_stand_at_their_fields_and_removing_asks_again(
    open_page: OpenPage,
) -> None:
    page = open_page("/people")
    page.get_by_role("button", name="Add a person…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("E-mail", exact=True).fill("carol@example.com")
    dialog.get_by_label("First password").fill("short")
    dialog.get_by_role("button", name="Add the person").click()
    expect(dialog.locator(".field.is-wrong")).to_have_count(1)
    dialog.get_by_label("First password").fill(PASSWORD)
    dialog.get_by_role("button", name="Add the person").click()
    expect(page.locator("tr", has_text="carol@example.com")).to_contain_text("member")
    choose(page, "carol@example.com", "Change carol@example.com")
    expect(dialog.get_by_label("Name", exact=True)).to_be_visible()
    expect(dialog.get_by_label(re.compile("password"))).to_have_count(0)  # that stands apart
    page.keyboard.press("Escape")
    choose(page, "carol@example.com", "Security of carol@example.com")
    dialog.get_by_label("New password").fill("short")
    dialog.get_by_role("button", name="Set the password").click()
    expect(dialog.locator(".field.is-wrong")).to_have_count(1)
    dialog.get_by_role("button", name="Remove from the org").click()
    expect(dialog).to_have_count(1)
    expect(dialog).to_contain_text("They are logged out")
    expect(page.locator("tr", has_text="carol@example.com")).to_have_count(1)
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("tr", has_text="carol@example.com")).to_have_count(0)


def test_an_api_token_is_shown_once(open_page: OpenPage) -> None:
    page = open_page("/tokens")
    page.get_by_role("button", name="New token…").click()
    page.get_by_role("dialog").get_by_label("Name").fill("nightly")
    page.get_by_label("Scopes").fill("fly templates")
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator(".field-error", has_text="no action `fly`")).to_be_visible()
    page.get_by_label("Scopes").fill("execute templates/greet\n\nview automations\n")
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator(".command-line")).to_contain_text("opsu_")
    page.reload()
    expect(page.locator("tr", has_text="nightly")).to_contain_text(
        "execute templates/greetview automations"
    )
    expect(page.locator(".command-line")).to_have_count(0)


def test_a_role_and_a_group_are_made_changed_and_deleted(open_page: OpenPage) -> None:
    page = open_page("/roles")
    dialog = page.get_by_role("dialog")

    page.get_by_role("button", name="New role…").click()
    dialog.get_by_label("Name").fill("dba")
    dialog.get_by_label("Rules").fill("fly templates")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator(".field-error", has_text="a rule is")).to_be_visible()

    dialog.get_by_label("Rules").fill("allow view templates\ndeny execute templates/env=prod")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("deny execute templates/env=prod", exact=True)).to_be_visible()

    page.goto("/roles?show=role:dba")
    expect(dialog.get_by_label("Rules")).to_have_value(re.compile("^allow view templates"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/roles$"))

    page.get_by_role("button", name="New group…").click()
    dialog.get_by_label("Name").fill("oncall")
    dialog.get_by_role("button", name="Save").click()

    choose(page, "oncall", "Add to oncall")
    dialog.get_by_label("E-mail").fill("alice@example.com")
    dialog.get_by_role("button", name="Let them join").click()

    page.get_by_role("button", name="Remove alice@example.com from oncall").click()
    dialog.get_by_role("button", name="Take them out").click()
    expect(page.get_by_text("nobody")).to_be_visible()

    for name in ("dba", "oncall"):
        choose(page, name, f"Delete {name}")
        dialog.get_by_role("button", name="Delete the").click()
        expect(page.get_by_role("row", name=name)).to_have_count(0)


def test_a_secret_is_made_given_a_new_value_and_deleted_and_never_shown(
    open_page: OpenPage,
) -> None:
    page = open_page("/secrets")
    for is_new, value in ((True, "correct horse"), (False, "battery staple")):
        if is_new:
            page.get_by_role("button", name="New secret…").click()
        else:
            choose(page, "api-key", "New value of api-key")
        dialog = page.get_by_role("dialog")
        if is_new:
            dialog.get_by_label("Name").fill("api-key")
        dialog.get_by_label("Value").fill("short" if is_new else value)
        keep = dialog.get_by_role("button", name="Keep")
        keep.click()
        if is_new:
            expect(dialog.locator(".field-error", has_text="cannot be masked")).to_be_visible()
            dialog.get_by_label("Value").fill(value)
            keep.click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_role("cell", name="1" if is_new else "2", exact=True)).to_be_visible()
        assert value not in page.content()
    expect(page.get_by_role("cell", name="$OPSICLE_SECRET_API_KEY")).to_be_visible()
    choose(page, "api-key", "Delete api-key")
    page.get_by_role("dialog").get_by_role("button", name="Delete the secret").click()
    expect(page.get_by_text("No secrets")).to_be_visible()
