"""`opsicle worker`: the agent that carries out automations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opsicle.cli.root import Command


@click.command(cls=Command)
@click.option("--data-dir", metavar="D", type=Path, required=True, help="Folder for identity, journal and spool.")
@click.option("--join", metavar="TOKEN", default="", help="Join token, needed until the worker has enrolled.")
@click.option("--name", metavar="N", default="", help="What it is called; the machine's name unless told.")
@click.option("--label", "labels", metavar="K=V", multiple=True, help="What it says of itself. May be repeated.")
@click.option("--slots", type=click.IntRange(min=1), default=1, metavar="N", help="Jobs at once; 1 unless told.")
def worker(**given: Any) -> None:
    """Take jobs from a server and carry them out, until stopped. TERM lets running jobs finish."""
