"""Words of a dialect that this project once had, and which no name of its own may hold again.

In prose they are ordinary English. Names are what whoever comes new has to learn.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from building.project import ROOT, source_files

INSTEAD = {
    "asker": "requester, owner",
    "borders": "markers",
    "clearance": "pre-lease check",
    "complaint": "error, warning",
    "complaints": "errors, warnings",
    "frontage": "listeners",
    "insist": "retry",
    "leasing": "lease",
    "leftover": "rest",
    "leftovers": "rest, cleanup",
    "marks": "markers",
    "mischief": "what it does",
    "narrate": "progress",
    "narration": "progress",
    "objection": "pre-lease check",
    "roster": "approvers",
    "settle": "advance, flush, end",
    "standing": "status",
    "stranger": "anonymous, unknown",
    "strangers": "anonymous, unknown",
    "surroundings": "context",
    "telling": "gone",
    "unspoken": "unsupported",
    "witness": "monitor",
    "workorders": "work builder",
}
"""Words that stand in no name, and what stands there instead."""

MODULES = {
    "approver": "channels",
    "asking": "approval request",
    "cores": "core_dumps",
    "following": "live_stream",
    "house": "prepared",
    "leased": "leases",
    "lifetime": "lifecycle",
    "listening": "http",
    "orders_spent": "replay_guard",
    "peer": "fake_server",
    "proofs": "mfa",
    "remembered": "cache",
    "scene": "world",
    "sending": "deliveries",
    "spent_orders": "replay_guard",
    "work": "work_builder",
}
"""Names that no module or folder has."""

CLASSES = {
    "Asking": "ApprovalRequest",
    "Leased": "LeaseStore",
    "Order": "SignedOrder",
    "Orders": "WorkBuilder",
    "Provider": "ServerOperator",
    "Questions": "Permission…",
    "Terms": "ApprovalRequest",
}
"""Names that no class has by themselves."""

_FOLDERS = ("opsicle", "assets", "tests", "bench", "building")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$-]*")
_NO_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|--[^\n]*|`[^`]*`|\"[^\"\n]*\"|'[^'\n]*'", re.DOTALL)
_CLASS = re.compile(rf"^class ({'|'.join(CLASSES)})\b", re.MULTILINE)
_PATH = re.compile(r'"(/[\w/{}-]+)"')
_HEADING = re.compile(r"^#+ (.*)", re.MULTILINE)


def names_are_plain_words() -> Iterator[str]:
    """Check that no name, path of the API or heading holds a word of the old dialect."""
    for path in source_files(*(ROOT / folder for folder in _FOLDERS)):
        place = path.relative_to(ROOT)
        if "migrations" in place.parts or path == Path(__file__):
            continue
        if instead := MODULES.get(path.stem) or MODULES.get(path.parent.name):
            yield f"{place}:1: the name {path.stem} is of the old dialect: {instead}"
        if path.suffix in {".py", ".js", ".css", ".sql"}:
            yield from _problems(path)

    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/operations/*.md")):
        for heading in _HEADING.findall(path.read_text()):
            yield from _held(path, heading.split())


def _problems(path: Path) -> Iterator[str]:
    text = path.read_text()
    for name in _CLASS.findall(text):
        yield f"{path.relative_to(ROOT)}: class {name} is of the old dialect: {CLASSES[name]}"
    if path.parent.name == "endpoints":
        yield from _held(path, _PATH.findall(text))
    lower = f"{path.stem} {text}".lower()
    if not any(word in lower for word in INSTEAD):
        return

    is_python = path.suffix == ".py"
    found = set(_names(ast.parse(text))) if is_python else _identifiers(text)
    yield from _held(path, sorted({*found, path.stem}))


def _identifiers(text: str) -> set[str]:
    """Return the words of what is no Python, outside comments and texts."""
    return set(_IDENTIFIER.findall(_NO_CODE.sub(" ", text)))


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield all that a module names itself; the names of tests are sentences."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) if not name.startswith("test_"):
                yield name
            case ast.ClassDef(name=name) | ast.Name(id=name) | ast.arg(arg=name):
                yield name
            case ast.Attribute(attr=name) | ast.alias(name=name) | ast.keyword(arg=str(name)):
                yield name


def _held(path: Path, names: list[str]) -> Iterator[str]:
    for name in names:
        for part in _PART.findall(name):
            if instead := INSTEAD.get(part.lower()):
                place = path.relative_to(ROOT)
                yield f"{place}: {name} holds {part}, of the old dialect: {instead}"
