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
    `command` prints it anew.
    """

    name: str
    made_by: str
    is_current: bool
    command: str

    @property
    def text(self) -> str:
        """What people read."""
        if self.is_current:
            return f"{self.name} as this program prints it"
        version = f" (printed by {self.made_by})" if self.made_by else ""
        return (
            f"{self.name}{version} differs from what this program prints: "
            f"{self.command} > {FOLDER}/{self.name}.service; systemctl daemon-reload"
        )


def find_installed(folder: Path = FOLDER) -> Iterator[InstalledUnit]:
    """Yield what is installed of the two units, as far as it can be read."""
    for kind in KINDS:
        name = f"opsicle-{kind}"
        try:
            text = (folder / f"{name}.service").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        unit = read_unit(text)
        if unit and unit.kind == kind:
            yield InstalledUnit(
                name=name,
                made_by=made_by(text),
                is_current=settings_of(unit.render()) == settings_of(text),
                command=unit.command,
            )
