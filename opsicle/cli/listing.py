"""The option that every list has."""

from __future__ import annotations

import click

limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Show at most N.")
