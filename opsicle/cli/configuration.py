"""`opsicle.toml`: defaults for options, by command.

    profile = "work"          # the options that stand before the command
    [run]
    follow = true
    [workers.token]
    ttl = 600

The one in the config folder is read first, then the one in the working folder, which wins. A file
that merely lies where one happens to be must not decide whom a password is sent to, so the latter
may not set those options.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

FILE_NAME = "opsicle.toml"

_TRUSTED_ONLY = ("profile", "login", "setup")
"""What only the config folder's file may set."""


def config_folder(environment: Mapping[str, str]) -> Path:
    """Return where the user's own settings are.

    Raises UsageError where there is no home folder to have them in.
    """
    folder = _find_config_folder(environment)
    if folder is None:
        from opsicle.domain.errors import UsageError

        raise UsageError("there is no home folder", hint="Set OPSICLE_CONFIG_DIR.")
    return folder


def _find_config_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the same, or None for an account without a home.

    Such an account is only a number, as in containers.
    """
    if named := environment.get("OPSICLE_CONFIG_DIR"):
        return Path(named)
    if xdg := environment.get("XDG_CONFIG_HOME"):
        return Path(xdg) / "opsicle"
    try:
        return Path.home() / ".config" / "opsicle"
    except RuntimeError:
        return None


def read_defaults(root: click.Group) -> dict[str, Any]:
    """Return the options' defaults from the files, as click takes them.

    Raises UsageError that names the file and the key.
    """
    here = Path(FILE_NAME)
    folder = _find_config_folder(os.environ)
    own = folder / FILE_NAME if folder else None

    defaults: dict[str, Any] = {}
    if own:
        defaults = _read(own, root)

    if _is_there(here) and not (own and _is_same(own, here)):
        found = _read(here, root)
        for key in _TRUSTED_ONLY:
            if key in found:
                raise _refused(here, f"`{key}` may only be set in the file in your config folder")
        _merge(defaults, found)

    return defaults


def _is_there(here: Path) -> bool:
    """Return whether there is such a file, as far as this user can see.

    Whoever becomes another user by `runuser` stays in a folder that may be closed to that one.
    """
    try:
        here.stat()
    except OSError:
        return False
    return True


def _read(path: Path, root: click.Group) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _refused(path, error.strerror or "it cannot be read") from error
    import tomllib

    try:
        table = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _refused(path, f"it is not TOML: {error}") from error
    return _defaults(path, table, root, "")


def _defaults(
    path: Path, table: Mapping[str, Any], command: click.Command, prefix: str
) -> dict[str, Any]:
    """Check every key against what the command has, and spell it as click does."""
    options = {
        option.name
        for option in command.params
        if isinstance(option, click.Option) and not option.is_eager
    }
    if prefix:  # a login is chosen for all commands alike, and by the trusted file alone
        options.discard("profile")

    context = click.Context(command, resilient_parsing=True)
    defaults: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        subcommand = command.get_command(context, key) if isinstance(command, click.Group) else None
        if subcommand is not None and isinstance(value, dict):
            defaults[key] = _defaults(path, value, subcommand, f"{prefix}{key}.")
        elif name in options and not isinstance(value, dict):
            defaults[name] = value
        else:
            raise _refused(path, f"`{prefix}{key}` is neither a command nor an option")

    return defaults


def _merge(defaults: dict[str, Any], others: Mapping[str, Any]) -> None:
    for key, value in others.items():
        if isinstance(value, dict) and isinstance(defaults.get(key), dict):
            _merge(defaults[key], value)
        else:
            defaults[key] = value


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and one.samefile(other)


def _refused(path: Path, why: str) -> Exception:
    from opsicle.domain.errors import UsageError

    return UsageError(f"{path} cannot be used: {why}")
