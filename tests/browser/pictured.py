"""Which pages pictures are made of, and which of those in the documentation are out of date."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

from opsicle.server.http.joining import without_comments
from tests.browser.page_table import PAGE_TABLE
from tests.product import CHECKOUT

IN_DOCUMENTS = {
    "approval": "/approvals/:id",
    "approval-telephone": "/approvals/:id",
    "approvals": "/approvals",
    "automation": "/automations/:id",
    "run": "/templates/:name/run",
    "run-asks": "/templates/:name/run",
    "templates": "/templates",
    "workers": "/workers",
}
"""The pictures in `docs/images`, and the page that each shows."""

MADE_OF = CHECKOUT / "tests/browser/pictures.json"
"""Of what the pages were made when their pictures were taken."""

VIEWS_OF_AUTOMATION = ("timeline", "data", "compare", "trail")
VIEWS_OF_TEMPLATE = ("versions", "history", "source")

ASSETS = CHECKOUT / "assets"
FRAME = ("components/rail.js", "components/bar.js")
"""What is around a page on every picture."""

_IMPORT = re.compile(r'^(?:import|export|\}) .*?from "([^"]+)";', re.MULTILINE)
_PAGE = re.compile(r'^const (\w+) = \(\) => import\("\./(pages/[\w-]+\.js)"\);', re.MULTILINE)


def examples(automation: str, approval: str, report: str) -> dict[str, list[str]]:
    """Return addresses of what varies, and of further views of a page.

    By the ids of an automation that failed, of an approval, and of an automation with artifacts.
    """
    return {
        "/approvals": ["/approvals?whose=all"],
        "/approvals/:id": [f"/approvals/{approval}"],
        "/automations/:id": [
            f"/automations/{automation}",
            *(f"/automations/{automation}?view={view}" for view in VIEWS_OF_AUTOMATION),
            f"/automations/{report}?view=artifacts",
        ],
        "/logs": ["/logs?since=2026-01-01"],
        "/targets/:name": ["/targets/web1"],
        "/templates/:name": [
            "/templates/restart-web",
            *(f"/templates/restart-web?view={view}" for view in VIEWS_OF_TEMPLATE),
        ],
        "/templates/:name/push": ["/templates/restart-web/push"],
        "/templates/:name/run": ["/templates/restart-web/run", "/templates/long-task/run"],
        "/workers/:name": ["/workers/edge-ams-1"],
    }


def addresses(examples: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the addresses to take pictures of, by the path of their page in the table of pages.

    `examples` has those of paths in which something varies, and further ones of others. Raises
    KeyError for a page that would be left out.
    """
    return {
        entry.path: examples[entry.path]
        if ":" in entry.path
        else [entry.path, *examples.get(entry.path, ())]
        for entry in PAGE_TABLE
    }


def out_of_date() -> list[str]:
    """Return the pictures of the documentation whose pages have changed since."""
    taken = json.loads(MADE_OF.read_text()) if MADE_OF.exists() else {}
    return [name for name, digest in digests().items() if taken.get(name) != digest]


def digests() -> dict[str, str]:
    """Return, by picture, a digest of what its page looks like: style sheets, and modules.

    Modules in `lib` have no looks.
    """
    sheets = "".join(path.read_text() for path in sorted(ASSETS.glob("css/*.css")))
    modules = _modules_by_path()
    return {
        name: hashlib.sha256((sheets + _sources(modules[path])).encode()).hexdigest()[:16]
        for name, path in IN_DOCUMENTS.items()
    }


def _modules_by_path() -> dict[str, str]:
    source = (ASSETS / "page-table.js").read_text()
    modules = dict(_PAGE.findall(source))
    rows = re.findall(r'\["(/[^"]*)", t`[^`]+`, (\w+)', source)
    return {path: modules[name] for path, name in rows}


def _sources(module: str) -> str:
    names = sorted({*_with_imports(module, set()), *FRAME})
    return "".join(without_comments((ASSETS / name).read_text()) for name in names)


def _with_imports(module: str, seen: set[str]) -> Iterator[str]:
    if module in seen:
        return
    seen.add(module)
    yield module
    folder = (ASSETS / module).parent
    for reference in _IMPORT.findall((ASSETS / module).read_text()):
        target = (folder / reference).resolve().relative_to(ASSETS.resolve())
        if target.parts[0] in {"components", "pages"}:
            yield from _with_imports(str(target), seen)
