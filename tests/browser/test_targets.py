"""Targets in the browser and on the command line: made of their parts, shown, changed, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from opsicle.domain.ssh_host_keys import fingerprint
from tests.browser.conftest import OpenPage
from tests.browser.test_pages import fits_every_width_in_both_themes
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


def test_a_target_is_made_and_changed_of_its_parts_on_the_command_line(
    installation: Installation, tmp_path: Path
) -> None:
    admin, known = installation.admin, tmp_path / "known_hosts"
    known.write_text(f"other {HOST_KEY[:-4]}\n[db1.example.com]:2222 {HOST_KEY} comment\n")
    new = ("db1", "--host", "db1.example.com", "--user", "dba", "--secret", "db-key")

    without = admin.attempt("targets", "create", *new, "--known-hosts", str(known))
    made = admin.json(
        "targets", "create", *new, "--port", "2222", "--known-hosts", str(known),
        "--label", "role=db", "--worker-label", "site=ams", "--where", "!old",
    )  # fmt: skip
    again = admin.attempt("targets", "create", *new, "--host-key", HOST_KEY)
    admin.json("targets", "update", "db1", "--label", "role=standby", "--description", "a: 'b'")

    assert (without.returncode, "has no key of db1.example.com" in without.stderr) == (2, True)
    assert (made["version"], again.returncode) == (1, 5)
    assert "there is a target db1 already" in again.stderr
    shown = admin.json("targets", "show", "db1")
    assert shown["host_keys"] == [{"key": HOST_KEY, "fingerprint": fingerprint(HOST_KEY)}]
    assert (shown["labels"], shown["runs_on"]) == ({"role": "standby"}, {"site": "ams"})
    assert (shown["runs_on_where"], shown["description"]) == ("!old", "a: 'b'")
    assert [each["version"] for each in admin.json("targets", "versions", "db1")] == [2, 1]

    inventory, folder = tmp_path / "hosts.ini", tmp_path / "made"
    inventory.write_text("[db]\ndb1.example.com:2222\n[old]\ndb2 ansible_connection=local\n")
    given = ("targets", "import", "ansible", str(inventory), "-o", str(folder), "--user", "dba")
    done = admin.json(*given, "--known-hosts", str(known))
    assert [(each["name"], each["to_fill"]) for each in done["targets"]] == [
        ("db1-example-com", [])
    ]
    assert [each["about"] for each in done["remarks"]] == ["db2", "db1-example-com"]
    again = admin.attempt(*given)
    assert (again.returncode, "nothing was written" in again.stderr) == (5, True)
    assert admin.json("targets", "push", str(folder / "db1-example-com.yaml"))["is_new"]
    assert admin.json("targets", "show", "db1-example-com")["host_keys"][0]["key"] == HOST_KEY

    source = tmp_path / "db1.yaml"
    source.write_text(admin.cli("targets", "show", "db1", "--source"))
    assert admin.json("targets", "push", str(source))["is_new"] is False
    admin.cli("targets", "delete", "db1")
    assert admin.attempt("targets", "show", "db1").returncode == 4
