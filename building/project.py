"""Where things are in the checkout, and the small things that every step of the build needs."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
DIST = ROOT / "dist"
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"

OLDEST_PYTHON = (3, 11)
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


class BuildError(Exception):
    """Something the person at the terminal can put right; shown without a traceback."""


def say(message: str) -> None:
    """Tell what is being done, on stderr, so that stdout stays for what was asked for."""
    print(message, file=sys.stderr, flush=True)


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, quiet: bool = False
) -> None:
    """Run a command in the checkout; raises BuildError when it fails.

    `env` is added to the environment. With `quiet`, the output is shown only if the command fails.
    """
    result = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        check=False,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    if result.returncode != 0:
        output = (result.stdout or "").strip()
        raise BuildError(
            f"{' '.join(map(str, command[:4]))} … failed ({result.returncode})\n{output}".rstrip()
        )


def git(*arguments: str) -> str | None:
    """Return what git answers about this checkout, or None without git or its own work tree."""
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), *arguments]
    try:
        result = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return result.stdout.strip() if result.returncode == 0 and (ROOT / ".git").exists() else None


def source_files(*folders: Path) -> Iterator[Path]:
    """Return every file under the folders in a fixed order.

    What Python or an editor leaves behind is left out.
    """
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
            left_behind = path.suffix == ".pyc" or path.name.endswith("~")
            if path.is_file() and not hidden and not left_behind:
                yield path


def digest(paths: Iterable[Path], *more: str) -> str:
    """Return a SHA-256 over names and contents of files in the checkout, and over further texts."""
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.relative_to(ROOT)}\0{path.stat().st_mode & 0o111}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    for text in more:
        total.update(f"{text}\0".encode())
    return total.hexdigest()


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Let one process at a time do this, for two terminals may share a checkout."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
