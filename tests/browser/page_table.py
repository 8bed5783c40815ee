"""The table of pages that the browser's application itself is made from, `assets/page-table.js`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.product import CHECKOUT

GROUP = re.compile(r"^  (\w+): \[\n(.*?)^  \],", re.DOTALL | re.MULTILINE)
ROW = re.compile(r'\["(?P<path>/[^"]*)", t`(?P<title>[^`]+)`, \w+(?:, "(?P<may>[\w.]+)")?')


@dataclass(frozen=True)
class PageEntry:
    """A page: where its link stands, its address and title, and the action that it asks for."""

    group: str
    path: str
    title: str
    may: str


def _read() -> list[PageEntry]:
    source = (CHECKOUT / "assets/page-table.js").read_text()
    return [
        PageEntry(group, row["path"], row["title"], row["may"] or "")
        for group, rows in GROUP.findall(source)
        for row in ROW.finditer(rows)
    ]


PAGE_TABLE = _read()
