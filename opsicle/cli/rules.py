"""`--allow` and `--deny`: rules on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def rule_options(what: str) -> Callable[[F], F]:
    """Return the options of a command that sets rules; `what` completes their help."""
    allow = click.option(
        "--allow",
        metavar="RULE",
        multiple=True,
        help=f"{what}, as in `execute templates/restart-web`. Repeatable.",
    )
    deny = click.option(
        "--deny",
        metavar="RULE",
        multiple=True,
        help="What they may not, whatever else allows it, as in `execute templates/env=prod`. "
        "Repeatable.",
    )
    return lambda command: allow(deny(command))


def given_rules(allow: Sequence[str], deny: Sequence[str]) -> list[str] | None:
    """Return the rules as the server takes them.

    Return None if none were given, and none at all for a single empty text.
    """
    rules = [
        *(f"allow {rule}" for rule in allow if rule),
        *(f"deny {rule}" for rule in deny if rule),
    ]
    return rules if rules or allow or deny else None
