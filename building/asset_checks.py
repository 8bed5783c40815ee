"""Checks of the browser's application, which has no build step that would notice."""

import re
from collections.abc import Iterator
from pathlib import Path

from building.project import ROOT, source_files

ASSETS = ROOT / "assets"
TEXT = {".html", ".js", ".css", ".svg", ".json", ".webmanifest"}

REFERENCES = {
    ".js": re.compile(
        r"(?:^\s*(?:(?:import|export)\b.*|\}\s*)from\s*|^\s*import\s*|\bimport\(\s*)"
        r"""["']([^"']+)["']"""
    ),
    ".css": re.compile(r"""(?:@import\s+|url\(\s*)["']?([^"')\s]+)"""),
    ".html": re.compile(
        r"""<(?:script|link|img|source|use)\b[^>]*?\b(?:src|href)=["']?([^"'\s>]+)"""
    ),
}

LAYERS = ("", "pages", "components", "lib")
"""The folders of `assets/`, top down; the first is `assets/` itself, which puts all together."""

STANDS_ALONE = frozenset({"pages"})
"""Layers whose modules know nothing of each other."""

METHODS = {
    "get": "GET", "getAll": "GET", "open": "GET", "follow": "GET", "addressOf": "GET",
    "post": "POST", "put": "PUT", "patch": "PATCH", "remove": "DELETE",
}  # fmt: skip
"""The methods by the functions of `lib/api.js` and `lib/events.js` that take an endpoint."""

ENDPOINT = re.compile(r'"(GET|POST|PUT|PATCH|DELETE) (/[^"]*)"')
CALL = re.compile(rf'\b({"|".join(METHODS)})\(\s*"(/[^"]*)"')
SENT = re.compile(r'\bsend\(\s*"([A-Z]+)", "(/[^"]*)"')

STYLE_LAYERS = ("base", "layout", "components", "pages")
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)|\b(?:rgba?|hsla?|oklch|oklab|lab|lch)\(")
TOKEN = re.compile(r"(--[\w-]+)\s*:")
USED_TOKEN = re.compile(r"var\((--[\w-]+)")

OTHER_ORIGIN = re.compile(r"""(?:https?:|wss?:|["'(]\s*)//(?!www\.w3\.org/(?:1999|2000)/)[\w\[]""")
"""An absolute address; the names of SVG and XLink look like one but are never fetched."""

FETCHED_BY_A_DOCUMENT = re.compile(
    r"""!\[[^\]]*\]\(\s*(?:https?:)?//|<(?:img|script|iframe|link)\b[^>]*(?:https?:)?//"""
)

INLINE = {
    ".js": re.compile(
        r"\.(?:innerHTML|outerHTML|srcdoc)\b|insertAdjacentHTML|document\.write"
        r"|\beval\(|new Function\("
        r"""|setAttribute\(\s*["'](?:style|on\w+)["']|\.style\.cssText\b"""
    ),
    ".html": re.compile(
        r"""\s(?:style|on\w+)\s*=\s*["']|<style\b|<script(?![^>]*\bsrc=)|javascript:""",
        re.IGNORECASE,
    ),
    ".svg": re.compile(r"""\son\w+\s*=|<script\b|javascript:""", re.IGNORECASE),
}
"""What the Content-Security-Policy forbids, or what would turn text into markup."""


def references_resolve() -> Iterator[str]:
    """Check that every file that a script, a style sheet or the page names is there."""
    for path in source_files(ASSETS):
        pattern = REFERENCES.get(path.suffix)
        if pattern is None:
            continue
        for number, line in _lines(path):
            for reference in pattern.findall(line):
                problem = _unresolved(path, reference)
                if problem:
                    yield f"{_name(path)}:{number}: {problem}"


def _unresolved(path: Path, reference: str) -> str | None:
    """Return what is wrong with a reference, if anything.

    `/assets/…` is how the server serves the folder.
    """
    name = re.split(r"[?#]", reference)[0]
    if not name or name.startswith("data:"):
        return None
    if path.suffix == ".js" and not name.startswith((".", "/")):
        return f"{reference} is no file of ours: write ./{reference}"
    return None if _target(path, name).is_file() else f"{reference} does not exist"


def _target(path: Path, name: str) -> Path:
    """Return the file that a reference names, whether it is there or not."""
    return (
        ASSETS / name.lstrip("/").removeprefix("assets/")
        if name.startswith("/")
        else path.parent / name
    )


def layers_point_down() -> Iterator[str]:
    """Check that a script imports only from its own layer and those below, a page from no page."""
    for path in source_files(ASSETS):
        for number, line in _lines(path) if path.suffix == ".js" else ():
            for reference in REFERENCES[".js"].findall(line):
                problem = _breaks_layers(path, reference)
                if problem:
                    yield f"{_name(path)}:{number}: {problem}"


def _breaks_layers(path: Path, reference: str) -> str | None:
    """Return what is wrong with where an import leads, if anything.

    One that leads nowhere is for `references_resolve`.
    """
    target = _target(path, reference)
    if not target.is_file():
        return None

    here, there = _layer(path), _layer(target)
    for layer in (here, there):
        if layer not in LAYERS:
            return f"{layer}/ is no layer: there are {', '.join(filter(None, LAYERS))}"
    if LAYERS.index(there) < LAYERS.index(here):
        return f"{here}/ must not import from {there or 'the top'}: {reference}"
    if here == there and here in STANDS_ALONE:
        return f"a module of {here}/ must not import another: {reference}"
    return None


def _layer(path: Path) -> str:
    """Return the folder of `assets/` in which a file is; empty for the top."""
    *folders, _file = path.resolve().relative_to(ASSETS.resolve()).parts
    return folders[0] if folders else ""


def requests_stand_in_the_table() -> Iterator[str]:
    """Check that `lib/endpoints.js` has what the pages ask of the server, and nothing else."""
    table = ASSETS / "lib" / "endpoints.js"
    if not table.is_file():
        return

    endpoints = set(ENDPOINT.findall(table.read_text()))
    asked: set[tuple[str, str]] = set()
    others = ""
    for path in source_files(ASSETS):
        if path.suffix == ".js" and path != table:
            text = path.read_text()
            others += text
            calls = [(METHODS[function], endpoint) for function, endpoint in CALL.findall(text)]
            for call in {*calls, *SENT.findall(text)} - endpoints:
                yield f"{_name(path)}:1: {' '.join(call)} is missing in lib/endpoints.js"
            asked.update(calls)

    for method, endpoint in sorted(endpoints - asked):
        if f'"{endpoint}"' not in others:
            yield f"{_name(table)}:1: nothing asks for {method} {endpoint}"


def styles_keep_to_layers_and_tokens() -> Iterator[str]:
    """Check that rules are in a layer, colours in `tokens.css`, and used tokens defined."""
    sheets = {
        path: _without_comments(path) for path in source_files(ASSETS) if path.suffix == ".css"
    }
    defined = {name for css in sheets.values() for name in TOKEN.findall(css)}
    layers = ", ".join(STYLE_LAYERS)

    for path, css in sheets.items():
        for statement in _top_level(css):
            if not re.match(rf"@layer ({'|'.join(STYLE_LAYERS)})\b", statement):
                yield f"{_name(path)}:1: in none of the layers {layers}: {statement[:60]}"

        for number, line in enumerate(css.splitlines(), start=1):
            if path.name != "tokens.css" and COLOUR.search(line):
                yield f"{_name(path)}:{number}: a colour is named in tokens.css: {line.strip()}"
            for name in USED_TOKEN.findall(line):
                if name not in defined:
                    yield f"{_name(path)}:{number}: {name} is defined nowhere"


def _top_level(css: str) -> Iterator[str]:
    """Return what stands in no braces."""
    count = 1
    while count:
        css, count = re.subn(r"\{[^{}]*\}", ";", css)
    return (statement.strip() for statement in css.split(";") if statement.strip())


def _without_comments(path: Path) -> str:
    """Return the style sheet with only the line ends of its comments."""
    return re.sub(
        r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), path.read_text(), flags=re.DOTALL
    )


def nothing_comes_from_elsewhere() -> Iterator[str]:
    """Check that no page and no document makes a browser ask another origin for anything."""
    for path in source_files(ASSETS):
        if path.suffix in TEXT:
            yield from _matches(path, OTHER_ORIGIN, "another origin")

    for path in (ROOT / "README.md", *source_files(ROOT / "docs")):
        if path.is_file():
            yield from _matches(path, FETCHED_BY_A_DOCUMENT, "fetched from another origin")


def nothing_is_inline() -> Iterator[str]:
    """Check that no markup is made from text, and no handler, style or script is inline."""
    for path in source_files(ASSETS):
        pattern = INLINE.get(path.suffix)
        if pattern:
            yield from _matches(path, pattern, "not under our Content-Security-Policy")


def _matches(path: Path, pattern: re.Pattern[str], problem: str) -> Iterator[str]:
    for number, line in _lines(path):
        if pattern.search(line):
            yield f"{_name(path)}:{number}: {problem}: {line.strip()[:100]}"


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    return enumerate(path.read_text(errors="replace").splitlines(), start=1)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))
