"""Which workers run which version of Opsicle, on their page and on the command line."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from playwright.sync_api import expect

from opsicle.version import __version__
from tests.browser.conftest import OpenPage
from tests.browser.reading import worker_card
from tests.product import Installation


def test_workers_are_counted_by_version_and_narrowed_to_those_behind(
    open_page: OpenPage, installation: Installation
) -> None:
    """The server remembers one of another version; there is no older program here."""
    old = installation.worker("elderly")
    old.process.stop()
    database = installation.server.folder / "data/opsicle.db"
    with closing(sqlite3.connect(database, timeout=60)) as db, db:
        db.execute("UPDATE workers SET version = '0.0.9' WHERE name = 'elderly'")

    page = open_page("/workers")

    versions = page.get_by_role("group", name="Versions")
    expect(versions.get_by_role("button").first).to_have_text(
        "0.0.9 · 1 worker · behind the server"
    )
    card = worker_card(page, "elderly")
    expect(card).to_contain_text("version 0.0.9 is behind")
    expect(card).to_contain_text(__version__)
    versions.get_by_role("button", name="0.0.9").click()
    expect(page.locator(".worker")).to_have_count(1)
    assert page.url.endswith("/workers?version=0.0.9")
    page.reload()
    expect(card).to_be_visible()
    expect(page.locator(".worker")).to_have_count(1)
    versions.get_by_role("button", name="0.0.9").click()
    expect(worker_card(page, "edge")).to_be_visible()
    names = [each["name"] for each in installation.admin.json("workers", "list", "--behind")]
    assert names == ["elderly"]
    assert installation.admin.json("workers", "list", "--version", "1.2.3") == []
    installation.admin.cli("workers", "revoke", "elderly")
