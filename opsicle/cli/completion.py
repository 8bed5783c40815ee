"""`opsicle completion`: what makes a shell complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from opsicle.cli.root import VerbCommand, root

VARIABLE = "_OPSICLE_COMPLETE"
"""By which a shell's script asks the program; see `opsicle.cli`."""


@click.command(cls=VerbCommand)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script by which bash, zsh or fish completes commands and options."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root, {}, "opsicle", VARIABLE).source())
