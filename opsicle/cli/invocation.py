"""What holds for the whole of one command: the profile, and how results are printed."""

from __future__ import annotations

from dataclasses import dataclass

import click


@dataclass
class Invocation:
    """The options before the command, and whether standard input has been read as a file."""

    profile: str = "default"
    output: str = "table"
    is_stdin_read: bool = False

    @property
    def wants_json(self) -> bool:
        """Whether stdout is to hold exactly one JSON value."""
        return self.output == "json"


def current() -> Invocation:
    """Return the invocation that the running command belongs to."""
    invocation = click.get_current_context().find_root().obj
    assert isinstance(invocation, Invocation)
    return invocation
