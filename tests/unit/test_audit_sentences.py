"""Whatever the server records has a sentence of its own on the Audit page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from opsicle.kit import resources
from tests.product import CHECKOUT

OTHERWISE = {"finish"}
"""Whose sentence says how it ended."""

SENTENCE = re.compile(r"^  (\w+): \(who\b", re.MULTILINE)
VERB_OF_APPEND = 4


def constants(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def verbs_of(module: ast.Module) -> Iterator[str]:
    """Find what a module records: said at once, or handed on or kept as `verb`."""
    nodes = list(ast.walk(module))
    places = {"append": VERB_OF_APPEND}
    for each in nodes:
        names = [arg.arg for arg in each.args.args] if isinstance(each, ast.FunctionDef) else []
        if isinstance(each, ast.FunctionDef) and "verb" in names:
            places[each.name] = names.index("verb") - (names[0] == "self")

    calls = [each for each in nodes if isinstance(each, ast.Call)]
    names_called = [ast.unparse(each.func).rpartition(".")[2] for each in calls]
    said = [
        each.args[places[name]]
        for each, name in zip(calls, names_called, strict=True)
        if len(each.args) > places.get(name, len(each.args))
    ]
    if any(isinstance(each, ast.Name) and each.id == "verb" for each in said):
        assigned = (each for each in nodes if isinstance(each, ast.Assign))
        said += [each.value for each in assigned if "verb" in map(ast.unparse, each.targets)]
    for each in said:
        if not isinstance(each, ast.Call):
            yield from constants(each)


def test_each_verb_of_the_record_has_a_sentence_of_its_own() -> None:
    sources = (path.read_text() for path in (CHECKOUT / "opsicle/server").rglob("*.py"))
    modules = [ast.parse(source) for source in sources if "audit.append(" in source]
    verbs = {verb for module in modules for verb in verbs_of(module)}
    page = resources.asset("components/audit-sentences.js").decode()

    assert {"push", "add_member", "suspend", "miss", "prune"} <= verbs
    assert verbs - {*SENTENCE.findall(page), *OTHERWISE} == set()
