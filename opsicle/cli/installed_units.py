"""Whether the units that systemd has are those that this program prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from opsicle.cli.units import KINDS, made_by, read_unit, settings_of

FOLDER = Path("/etc/systemd/system")


class InstalledUnit(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of ours that is installed. `made_by` is the version that printed it, "" if unknown.

    `is_current` is whether its settings are those that this program prints; where they are not,
    `command` prints it anew. `problem` is why it could not be compared, "" if it was.
    """

    name: str
    made_by: str
    is_current: bool
    command: str
    problem: str = ""

    @property
    def text(self) -> str:
        """What people read."""
        if self.problem:
            return f"{self.name} {self.problem}: compare it with `{self.command}`"
        if self.is_current:
            return f"{self.name} as this program prints it"
        version = f" (printed by {self.made_by})" if self.made_by else ""
        return (
            f"{self.name}{version} differs from what this program prints: "
            f"{self.command} > {FOLDER}/{self.name}.service; systemctl daemon-reload"
        )


def find_installed(folder: Path = FOLDER) -> Iterator[InstalledUnit]:
    """Yield what is installed of the two units. One that is masked is not."""
    for kind in KINDS:
        name = f"opsicle-{kind}"
        path = folder / f"{name}.service"
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            if path.is_symlink() or not isinstance(error, FileNotFoundError):
                yield _unknown(kind, f"cannot be read ({error.strerror})")
            continue
        except UnicodeDecodeError:
            yield _unknown(kind, "cannot be read (it is not UTF-8)")
            continue
        unit = read_unit(text)
        if unit and unit.kind == kind:
            yield InstalledUnit(
                name=name,
                made_by=made_by(text),
                is_current=settings_of(unit.render()) == settings_of(text),
                command=unit.command,
            )
        elif text:
            yield _unknown(kind, "starts something else than what this program prints")


def _unknown(kind: str, problem: str) -> InstalledUnit:
    command = f"opsicle service print {kind}"
    return InstalledUnit(
        name=f"opsicle-{kind}", made_by="", is_current=False, command=command, problem=problem
    )
