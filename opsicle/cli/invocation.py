"""What holds for the whole of one command: the profile, and how results are printed."""

from __future__ import annotations

from dataclasses import dataclass

import click


@dataclass
class Invocation:
    """The options that stand before the command."""

    profile: str = "default"
    output: str = "table"

    @property
    def wants_json(self) -> bool:
        """Whether stdout is to hold exactly one JSON value."""
        return self.output == "json"


def current() -> Invocation:
    """The invocation that the running command belongs to."""
    invocation = click.get_current_context().find_root().obj
    assert isinstance(invocation, Invocation)
    return invocation
