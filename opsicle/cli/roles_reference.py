"""The tables of `docs/roles.md`, made from the permission table.

`python -m opsicle.cli.roles_reference` writes them.

The page's own words stand around the two markers between which the tables are.
"""

from __future__ import annotations

import sys
from pathlib import Path

from opsicle.domain.access import TABLE, BuiltInRole

BEGIN = "<!-- generated from opsicle/domain/access.py -->"
END = "<!-- end of what is generated -->"


def render() -> str:
    """Return the table as Markdown: an action a line, a role a column."""
    roles = list(BuiltInRole)
    lines = [
        f"| rule | what it lets one do | {' | '.join(roles)} |",
        f"|---|---|{':-:|' * len(roles)}",
    ]
    for permission in TABLE.values():
        marker_pipe = " | ".join("✓" if role in permission.roles else "" for role in roles)
        lines.append(
            f"| `{permission.verb} {permission.resource}` | {permission.meaning} | {marker_pipe} |"
        )
    return "\n".join(lines) + "\n"


def current(page: str) -> str:
    """Return the page with the tables of today. Raises ValueError if it lacks the markers."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError("the markers are missing")
    return f"{before}{BEGIN}\n\n{render()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(current(path.read_text(encoding="utf-8")), encoding="utf-8")
