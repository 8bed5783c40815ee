"""Where a server forwards its record to, as whoever starts it says."""

from __future__ import annotations

from pathlib import Path

import msgspec

from opsicle.kit.clock import Clock
from opsicle.server.forwarding.destination import Destination
from opsicle.server.forwarding.json_lines import JsonLines
from opsicle.server.forwarding.syslog import Syslog
from opsicle.server.settings import Address


class ForwardingOptions(msgspec.Struct, frozen=True):
    """A collector of syslog with the CA that it is checked by, and a file; None is nowhere."""

    collector: Address | None = None
    ca_file: Path | None = None
    file: Path | None = None

    def destinations(self, clock: Clock) -> list[Destination]:
        """Return the destinations that there are."""
        found: list[Destination] = []
        if self.collector:
            found.append(Syslog(self.collector, self.ca_file, clock))
        if self.file:
            found.append(JsonLines(self.file))
        return found
