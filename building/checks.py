"""What a machine can say about the sources without running the program.

A consistency check yields problems as `path:line: what is wrong`; none means that it passed.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from building import asset_checks, plain_words
from building.environments import development_environment
from building.project import ROOT, say, source_files

TOOLS = (
    ("ruff", "format", "--check", "--quiet", "."),
    ("ruff", "check", "--quiet", "."),
    ("mypy", "--no-error-summary"),
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

SLEEPS = frozenset({"time.sleep", "sleep", "gevent.sleep"})

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")


def run_all(arguments: Sequence[str]) -> int:
    """Run every check, whatever the ones before said; return 1 if any found something."""
    if arguments:
        say("check takes no arguments")
        return 2

    python = development_environment()
    failed = [" ".join(tool) for tool in TOOLS if not _passes(python.parent / tool[0], *tool[1:])]

    for check in CONSISTENCY:
        problems = list(check())
        for problem in problems:
            print(problem)
        if problems:
            failed.append(check.__name__)

    if not _cli_reference_is_current(python):
        failed.append("cli_reference")
    if not _roles_are_current(python):
        failed.append("roles_reference")

    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


def _passes(*command: str | Path) -> bool:
    say(" ".join([Path(command[0]).name, *map(str, command[1:])]))
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


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
    for path, node in _nodes("opsicle"):
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
    for path, node in _nodes("tests"):
        if (
            isinstance(node, ast.Call)
            and path.name.startswith("test_")
            and ast.unparse(node.func) in SLEEPS
        ):
            yield f"{_name(path)}:{node.lineno}: use wait_until instead of {ast.unparse(node)}"


def no_class_name_stands_twice() -> Iterator[str]:
    """Check that whoever reads a class's name knows which one is meant."""
    first: dict[str, str] = {}
    for path, node in _nodes("opsicle"):
        if isinstance(node, ast.ClassDef):
            place = f"{_name(path)}:{node.lineno}"
            other = first.setdefault(node.name, place)
            if other != place:
                yield f"{place}: there is a class {node.name} already, at {other}"


def _cli_reference_is_current(python: Path) -> bool:
    """Return whether docs/cli.md is what the command line says of its commands and options."""
    if not (ROOT / "opsicle" / "cli" / "reference.py").exists():
        return True

    program = "import sys; from opsicle.cli.reference import render; sys.stdout.write(render())"
    result = subprocess.run(
        [python, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True
    )
    written = ROOT / "docs" / "cli.md"
    if result.returncode == 0 and written.exists() and written.read_text() == result.stdout:
        return True

    print(
        result.stderr
        or f"docs/cli.md is out of date: .venv/bin/python -c '{program}' > docs/cli.md"
    )
    return False


def _roles_are_current(python: Path) -> bool:
    """Return whether the table in docs/roles.md is the program's permission table."""
    program = (
        "import sys; from pathlib import Path; from opsicle.cli.roles_reference import current; "
        "page = Path('docs/roles.md').read_text('utf-8'); sys.exit(page != current(page))"
    )
    if subprocess.run([python, "-c", program], cwd=ROOT, check=False).returncode == 0:
        return True

    print(
        "docs/roles.md is out of date: "
        ".venv/bin/python -m opsicle.cli.roles_reference docs/roles.md"
    )
    return False


def _sources(*suffixes: str) -> Iterator[Path]:
    folders = [
        ROOT / name for name in ("opsicle", "assets", "examples", "tests", "bench", "building")
    ]
    return (path for path in source_files(*folders) if path.suffix in suffixes)


def _nodes(folder: str) -> Iterator[tuple[Path, ast.AST]]:
    """Return every node of the syntax trees of a folder's Python files."""
    for path in source_files(ROOT / folder):
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
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
