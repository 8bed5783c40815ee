"""Which version of which template last succeeded on which target: a matrix, and a list of one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.layout import fits_every_width_in_both_themes
from tests.browser.target_runs import remove_targets, run_on_targets
from tests.product import Installation
from tests.ssh_servers import ssh_server

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

NAMES_STAY = """(matrix) => {
  matrix.style.width = "300px";
  matrix.scrollLeft = 90;
  const name = matrix.querySelector("tbody th");
  const [outer, inner] = [matrix, name].map((each) => each.getBoundingClientRect().left);
  return [matrix.scrollLeft === 90, outer === inner];
}"""
"""Whether it scrolls inside, and the names of the targets then stay in sight."""


@pytest.fixture
def ran(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let templates run on targets, and take those away again."""
    folder = tmp_path_factory.mktemp("targets")
    try:
        with ssh_server(folder / "sshd") as sshd:
            run_on_targets(installation, sshd, folder)
        yield
    finally:
        remove_targets(installation)


def cell(page: Page, target: str, template: str) -> Locator:
    """Return the cell where the row of a target meets the column of a template."""
    matrix = page.get_by_role("table", name="Last runs on targets", exact=True)
    expect(matrix.get_by_role("columnheader").first).to_be_visible()
    heads = matrix.get_by_role("columnheader").all_text_contents()
    [column] = [i for i, text in enumerate(heads) if text.startswith(template)]
    header = page.get_by_role("rowheader", name=target, exact=True)
    row = matrix.get_by_role("row").filter(has=header)
    return row.get_by_role("cell").nth(column - 1)


@pytest.mark.usefixtures("ran")
def test_a_person_sees_which_version_last_succeeded_where_and_what_is_behind(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/targets")
    page.get_by_role("link", name="Last runs on targets", exact=True).click()

    expect(cell(page, "web1", "patch-packages")).to_contain_text("version 2")
    expect(cell(page, "web1", "patch-packages")).not_to_contain_text("behind")
    web2 = cell(page, "web2", "patch-packages")
    expect(web2).to_contain_text("version 1behind version 2")
    expect(web2).to_contain_text(re.compile(r"failed.*version 2"))
    expect(cell(page, "db1", "rotate-keys")).to_have_class("is-empty")
    fits_every_width_in_both_themes(page, "/target-last-runs")
    page.set_viewport_size({"width": 1000, "height": 740})
    assert page.locator(".matrix").evaluate(NAMES_STAY) == [True, True]

    page.get_by_role("button", name="Behind or not succeeded", exact=True).click()
    page.get_by_label("Any template", exact=True).select_option("patch-packages")
    expect(page.get_by_role("rowheader")).to_have_text(["db1", "web2", "web3"])
    assert page.url.endswith("?attention=true&template=patch-packages")
    cell(page, "web2", "patch-packages").get_by_role("link", name="failed").click()
    expect(page.get_by_text("for web2", exact=True)).to_be_visible()

    page.goto("/targets/web2")
    row = page.get_by_role("row").filter(has=page.get_by_text("behind version 2", exact=True))
    expect(row).to_contain_text("patch-packages")
    expect(row).to_contain_text("failed")
    said = installation.admin.json("targets", "last-runs", "web2", "--template", "patch-packages")
    assert [
        (each["succeeded"]["version"], each["is_behind"], each["last_run"]["state"])
        for each in said
    ] == [(1, True, "failed")]
    table = installation.admin.cli("targets", "last-runs", "--attention")
    assert re.search(r"^web2 +patch-packages +1 of 2 .* failed \(version 2\)", table, re.MULTILINE)
