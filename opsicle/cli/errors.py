"""What a person reads on stderr when something went wrong."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable

import msgspec

from opsicle.cli.configuration import config_folder
from opsicle.cli.terminal import printable, say, styled
from opsicle.domain.errors import OpsicleError, Problem


def show(error: OpsicleError, *, as_json: bool = False) -> None:
    """Say what happened, where, and what to do.

    If asked, say it as JSON on one line, in the server's own form.
    """
    if as_json:
        say(msgspec.json.encode(_document(error)).decode())
        return
    say(f"{styled('error:', 'red')} {printable(error.message)}")
    for problem in error.problems:
        say(f"  {located(problem)}")
    if error.hint:
        say(f"{styled('hint:', 'cyan')} {printable(error.hint)}")


def located(problem: Problem) -> str:
    """Return a mistake with its place, as `path (line N): message`."""
    place = printable(problem.path)
    if problem.line:
        place = f"{place} (line {problem.line})" if place else f"line {problem.line}"
    return f"{place}: {printable(problem.message)}" if place else printable(problem.message)


def located_in(file: str, problem: Problem) -> str:
    """Return a mistake with its place, as editors understand it: `FILE:line: path: message`."""
    parts = [f"{printable(file)}:{problem.line}" if problem.line else printable(file)]
    return ": ".join([*parts, *filter(None, (printable(problem.path), printable(problem.message)))])


def warn(lines: Iterable[str]) -> None:
    """Show what deserves attention but keeps nothing from working."""
    for line in lines:
        say(f"{styled('warning:', 'yellow')} {line}")


def warn_of_stuck(templates: Iterable[str]) -> None:
    """Say which approvals nobody can give since a change of who may decide."""
    warn(
        f"nobody can give this approval since: {printable(template)} (`opsicle approvals list`)"
        for template in templates
    )


def keep_details(error: Exception) -> str:
    """Write a defect's traceback where its finder can send it from, and say where.

    OPSICLE_DEBUG=1 shows it instead.
    """
    text = "".join(traceback.format_exception(error))
    if os.environ.get("OPSICLE_DEBUG") == "1":
        sys.stderr.write(text)
        return "This is a defect of Opsicle. Please report it with the text above."

    try:
        folder = config_folder(os.environ)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "last-error.txt"
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        path.chmod(0o600)
    except (OSError, OpsicleError):
        return "This is a defect of Opsicle. OPSICLE_DEBUG=1 shows the details."
    return f"This is a defect of Opsicle. Please report it with {path}."


def _document(error: OpsicleError) -> dict[str, object]:
    """Return the error in the form of the server's problem documents."""
    document: dict[str, object] = {
        "code": error.code,
        "title": error.title,
        "detail": error.message,
    }
    if error.hint:
        document["hint"] = error.hint
    if error.problems:
        document["errors"] = error.problems
    return document
