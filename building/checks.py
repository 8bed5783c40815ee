"""What a machine can say about the sources without running the program.

A consistency check yields problems as `path:line: what is wrong`; none means that it passed.
"""

import ast
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from building import asset_checks, plain_words
from building.environments import development_environment
from building.project import ROOT, say, source_files

TOOLS = (
    ("mypy", "--no-error-summary"),
    ("ruff", "format", "--check", "--quiet", "."),
    ("ruff", "check", "--quiet", "."),
    ("lint-imports", "--no-logo", "--no-cache"),
    ("oxfmt", "--check", "--config", "assets/.oxfmtrc.json", "assets"),
    ("oxlint", "--quiet", "--deny-warnings", "--config", "assets/.oxlintrc.json", "assets"),
)

LONGEST_FILE = 400
"""Lines. A longer file holds more than one thing."""

GENERATED = "opsicle/server/store/schema.sql"
"""What all migrations make of an empty database, written by a test; nobody edits it."""

ONLY_PROCESS_STARTER = "opsicle/worker/process.py"
STARTS_A_PROCESS = re.compile(
    r"os\.(system|popen|fork|forkpty|exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?|startfile)"
)

A_CLASS = re.compile(r"\s*class (\w+)(?:\(|:$)")

SLEEPS = frozenset({"time.sleep", "sleep", "gevent.sleep"})

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")


class Finding(NamedTuple):
    """What one step has found; nothing if it passed, and then it may still have printed a text."""

    has_failed: bool
    text: str


def run_all(arguments: Sequence[str]) -> int:
    """Run every step, whatever the others found, and return 1 if any found something.

    The steps run beside each other; what they found is shown in their order.
    """
    if arguments:
        say("check takes no arguments")
        return 2

    steps = _steps(development_environment())
    failed = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {name: pool.submit(step) for name, step in steps.items()}
        for name, future in running.items():
            say(name)
            finding = future.result()
            print(finding.text, end="", flush=True)
            if finding.has_failed:
                failed.append(name)

    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


def _steps(python: Path) -> dict[str, Callable[[], Finding]]:
    """Return the steps by name. What takes longest is started first."""
    steps: dict[str, Callable[[], Finding]] = {
        " ".join(tool): partial(_run_tool, python.parent / tool[0], *tool[1:]) for tool in TOOLS
    }
    steps["docs/cli.md"] = partial(_check_cli_reference, python)
    steps["docs/roles.md"] = partial(_check_roles, python)
    for check in CONSISTENCY:
        steps[check.__name__] = partial(_run_check, check)
    return steps


def _run_tool(*command: str | Path) -> Finding:
    result = subprocess.run(
        command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return Finding(result.returncode != 0, result.stdout)


def _run_check(check: Callable[[], Iterator[str]]) -> Finding:
    text = "".join(f"{problem}\n" for problem in check())
    return Finding(bool(text), text)


def no_file_is_too_long() -> Iterator[str]:
    """Check that no file is so long that it must hold more than one thing."""
    for path in _sources(".py", ".js", ".css", ".sql", ".html"):
        lines = len(path.read_text().splitlines())
        if _name(path) != GENERATED and lines > LONGEST_FILE:
            yield f"{_name(path)}:{lines}: {lines} lines, {LONGEST_FILE} are allowed"


def only_the_worker_starts_processes() -> Iterator[str]:
    """Check that nothing else uses the functions of `os` that start processes.

    The import contracts cover `subprocess`.
    """
    for path, node in _nodes("opsicle", STARTS_A_PROCESS):
        if isinstance(node, ast.Attribute) and _name(path) != ONLY_PROCESS_STARTER:
            function = ast.unparse(node)
            if STARTS_A_PROCESS.fullmatch(function):
                yield f"{_name(path)}:{node.lineno}: {function} belongs in {ONLY_PROCESS_STARTER}"


def nothing_is_left_unfinished() -> Iterator[str]:
    """Check that no remark says what is still to be done: that is an issue."""
    folders = [ROOT / name for name in ("opsicle", "assets", "examples", "docs", "tests", "bench")]
    texts = (path for path in source_files(*folders) if path.suffix != ".png")
    yield from _lines_with(UNFINISHED, texts, "left unfinished")


def no_test_sleeps() -> Iterator[str]:
    """Check that tests wait for what they expect.

    A sleep is too short on a slow machine and too long on a fast one.
    """
    for path, node in _nodes("tests", re.compile(r"\bsleep\(")):
        if (
            isinstance(node, ast.Call)
            and path.name.startswith("test_")
            and ast.unparse(node.func) in SLEEPS
        ):
            yield f"{_name(path)}:{node.lineno}: use wait_until instead of {ast.unparse(node)}"


def no_class_name_stands_twice() -> Iterator[str]:
    """Check that whoever reads a class's name knows which one is meant."""
    first: dict[str, str] = {}
    for path in _sources(".py"):
        if not path.is_relative_to(ROOT / "opsicle"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if found := A_CLASS.match(line):
                place = f"{_name(path)}:{number}"
                other = first.setdefault(found[1], place)
                if other != place:
                    yield f"{place}: there is a class {found[1]} already, at {other}"


def _check_cli_reference(python: Path) -> Finding:
    """Check that docs/cli.md is what the command line says of its commands and options."""
    program = "import sys; from opsicle.cli.reference import render; sys.stdout.write(render())"
    finding = _run_tool(python, "-c", program)
    if finding.has_failed:
        return finding

    is_current = (ROOT / "docs" / "cli.md").read_text() == finding.text
    how = f"docs/cli.md is out of date: .venv/bin/python -c '{program}' > docs/cli.md\n"
    return Finding(not is_current, "" if is_current else how)


def _check_roles(python: Path) -> Finding:
    """Check that the table in docs/roles.md is the program's permission table."""
    program = (
        "import sys; from pathlib import Path; from opsicle.cli.roles_reference import current; "
        "page = Path('docs/roles.md').read_text('utf-8'); sys.exit(page != current(page) and "
        "'docs/roles.md is out of date: "
        ".venv/bin/python -m opsicle.cli.roles_reference docs/roles.md')"
    )
    return _run_tool(python, "-c", program)


def _sources(*suffixes: str) -> Iterator[Path]:
    folders = [
        ROOT / name for name in ("opsicle", "assets", "examples", "tests", "bench", "building")
    ]
    return (path for path in source_files(*folders) if path.suffix in suffixes)


def _nodes(folder: str, hint: re.Pattern[str]) -> Iterator[tuple[Path, ast.AST]]:
    """Yield every node of the syntax trees of a folder's Python files in which the hint stands."""
    for path in source_files(ROOT / folder):
        if path.suffix == ".py" and hint.search(text := path.read_text()):
            for node in ast.walk(ast.parse(text)):
                yield path, node


def _lines_with(pattern: re.Pattern[str], paths: Iterator[Path], problem: str) -> Iterator[str]:
    for path in paths:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if pattern.search(line):
                yield f"{_name(path)}:{number}: {problem}: {line.strip()[:100]}"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


CONSISTENCY: tuple[Callable[[], Iterator[str]], ...] = (
    no_file_is_too_long,
    only_the_worker_starts_processes,
    nothing_is_left_unfinished,
    no_test_sleeps,
    no_class_name_stands_twice,
    plain_words.names_are_plain_words,
    asset_checks.references_resolve,
    asset_checks.layers_point_down,
    asset_checks.requests_stand_in_the_table,
    asset_checks.styles_keep_to_layers_and_tokens,
    asset_checks.nothing_comes_from_elsewhere,
    asset_checks.nothing_is_inline,
)
