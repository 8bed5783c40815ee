"""The files that come with the program, and the program itself as a command.

In a checkout `assets/` and `examples/` lie beside the package; the build puts them inside it.
Either way they are ordinary files: the built program unpacks itself before it starts.
"""

import sys
from functools import cache
from pathlib import Path

from opsicle.domain.errors import NotFound

PACKAGE = Path(__file__).resolve().parents[1]


def asset(name: str) -> bytes:
    """Return one file of the browser's application, such as `css/tokens.css`.

    Raises NotFound for any other name.
    """
    if name not in asset_names():
        raise NotFound(f"there is no asset {name}")
    return (_folder("assets") / name).read_bytes()


@cache
def asset_names() -> tuple[str, ...]:
    """Return every file of the browser's application, as relative paths with slashes, sorted.

    None that is hidden. They are looked for once: a page takes more than a hundred of them.

    In a checkout those are the settings of tools, which the built file does not have either.
    """
    folder = _folder("assets")
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    shown = (path for path in files if not any(part.startswith(".") for part in path.parts))
    return tuple(sorted(path.as_posix() for path in shown))


def examples() -> Path:
    """Return the folder of sample templates."""
    return _folder("examples")


def program() -> list[str]:
    """Return the command that starts this same program once more; append a subcommand to it."""
    return [sys.executable, str(Path(sys.argv[0]).absolute())]


@cache
def _folder(name: str) -> Path:
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name
