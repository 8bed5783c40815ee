"""What of the worker's machine a container sees."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from opsicle.domain.templates import VolumeMount
from opsicle.worker.runtimes.protocol import CannotStart

_OPEN_TO_ALL = 0o777
"""For folders in the workspace. Nobody but the worker gets as far as there: the folder in which all
workspaces lie is its own alone. Inside a container it may be another user's number that asks."""


def mount(source: PurePath, target: str | PurePath, *, is_read_only: bool = False) -> str:
    r"""Return what `--mount` takes: a line of CSV, so that no path can add an option.

    >>> mount(Path("/a,b"), "/c")
    'type=bind,"source=/a,b",target=/c'
    """
    fields = ["type=bind", f"source={source}", f"target={target}"]
    fields += ["readonly"] if is_read_only else []
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def resolve(
    wanted: Iterable[VolumeMount], workspace: Path, allowed: Sequence[Path]
) -> list[tuple[Path, str]]:
    """Return the folder or file of this machine for each volume mount, and its place.

    Links and `..` are followed first: what counts is where a path leads. A folder that is absent is
    made in the workspace, and only there. Raises CannotStart for what this worker does not show.
    """
    return [(_source(each, workspace, allowed), each.container) for each in wanted]


def _source(wanted: VolumeMount, workspace: Path, allowed: Sequence[Path]) -> Path:
    home = workspace.resolve()
    try:
        path = (workspace / wanted.host).resolve()
    except (OSError, RuntimeError, ValueError):  # links that go round, a NUL
        raise CannotStart(f"the volume mount {wanted.host!r} leads nowhere") from None

    if path.is_relative_to(home):
        return _in_workspace(path, home, wanted)
    if not any(path.is_relative_to(folder.resolve()) for folder in allowed):
        leads = "" if str(path) == wanted.host else f", which leads to {str(path)!r},"
        raise CannotStart(
            f"the volume mount {wanted.host!r}{leads} is neither in the workspace "
            "nor in what this worker was started to show (`--allow-mount`)"
        )
    if not path.exists():
        raise CannotStart(f"the volume mount {wanted.host!r} is not there on the worker")
    return path


def _in_workspace(path: Path, home: Path, wanted: VolumeMount) -> Path:
    if path.exists():
        return path
    try:
        path.mkdir(parents=True)
        for made in (path, *path.parents):
            if made == home:
                break
            made.chmod(_OPEN_TO_ALL)
    except OSError as problem:
        raise CannotStart(
            f"the folder {wanted.host!r} could not be made in the workspace: {problem.strerror}"
        ) from None
    return path
