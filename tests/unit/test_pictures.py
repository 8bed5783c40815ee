"""Pictures are made of every page, and those of the documentation show the pages as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import pictured
from tests.browser.page_table import PAGE_TABLE
from tests.product import CHECKOUT


def test_every_page_of_the_table_gets_its_picture() -> None:
    by_path = pictured.addresses(pictured.examples("id", "id", "id"))

    assert set(by_path) == {entry.path for entry in PAGE_TABLE}
    assert all(by_path.values())
    assert not [place for places in by_path.values() for place in places if ":" in place]

    without = pictured.examples("id", "id", "id")
    del without["/workers/:name"]
    with pytest.raises(KeyError, match="/workers/:name"):
        pictured.addresses(without)


def test_pictures_of_the_documentation_show_the_pages_as_they_are() -> None:
    there = {path.stem for path in (CHECKOUT / "docs/images").glob("*.png")}

    assert there == set(pictured.IN_DOCUMENTS)
    assert pictured.out_of_date() == [], "make them anew: python3 build.py pictures"


@pytest.mark.parametrize(
    ("changed", "outdated"),
    [
        ("css/tokens.css", set(pictured.IN_DOCUMENTS)),
        ("components/rail.js", set(pictured.IN_DOCUMENTS)),
        ("pages/workers.js", {"workers"}),
        ("components/run-preview.js", {"run", "run-asks"}),
        ("pages/audit.js", set()),
    ],
)
def test_a_picture_is_out_of_date_once_what_its_page_is_made_of_has_changed(
    monkeypatch: pytest.MonkeyPatch, changed: str, outdated: set[str]
) -> None:
    before = pictured.digests()
    read_text = Path.read_text
    monkeypatch.setattr(
        Path,
        "read_text",
        lambda path: read_text(path) + ("more" if path == pictured.ASSETS / changed else ""),
    )

    after = pictured.digests()

    assert {name for name in before if before[name] != after[name]} == outdated
