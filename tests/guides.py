"""The commands of the operator's guides (docs/operations), and which tests run them.

All are run in their order by `tests/e2e/test_guides.py` but those of the table here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.processes import CHECKOUT

FOLDER = CHECKOUT / "docs/operations"
PAGES = tuple(sorted(path.stem for path in FOLDER.glob("*.md")))

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Elsewhere(NamedTuple):
    """A command that another test runs: why, and which."""

    why: str
    test: str


_REPLICATED = "It needs a replica that Litestream has made, and a server that is killed with it."
_OWN_SITE = "It needs nginx before a server that nobody has set up, and asks for a password."

ELSEWHERE: dict[tuple[str, str], Elsewhere] = {
    ("standby", "litestream replicate"): Elsewhere(_REPLICATED, "e2e/test_standby.py"),
    ("standby", "opsicle doctor"): Elsewhere(_REPLICATED, "e2e/test_replica_lag.py"),
    ("standby", "litestream ltx"): Elsewhere(_REPLICATED, "e2e/test_replica_lag.py"),
    ("standby", "opsicle restore"): Elsewhere(_REPLICATED, "e2e/test_standby.py"),
    ("standby", "rm -f"): Elsewhere(_REPLICATED, "e2e/test_standby.py"),
    ("standby", "litestream restore"): Elsewhere(_REPLICATED, "e2e/test_standby.py"),
    ("proxies", "opsicle setup"): Elsewhere(_OWN_SITE, "e2e/test_permanent_site.py"),
    ("proxies", "opsicle login"): Elsewhere(_OWN_SITE, "e2e/test_permanent_site.py"),
}
"""By page and how a command begins, up to its comment."""


def blocks(page: str, kind: str = "sh") -> list[str]:
    """Return the blocks of a page, of the shell unless told."""
    text = (FOLDER / f"{page}.md").read_text()
    found = _BLOCK.finditer(text)
    return [
        re.sub(f"^{block[1]}", "", block[3], flags=re.MULTILINE)
        for block in found
        if block[2] == kind
    ]


def commands(page: str) -> Iterator[str]:
    """Yield a page's commands in their order; what goes on after a backslash is one."""
    for block in blocks(page):
        for line in block.replace("\\\n", "").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line


def elsewhere(page: str, command: str) -> Elsewhere | None:
    """Return which test runs a command that is not run in its place, None for all others."""
    bare = command.partition(" #")[0].rstrip()
    for (of, beginning), found in ELSEWHERE.items():
        if of == page and (bare == beginning or bare.startswith(f"{beginning} ")):
            return found
    return None
