"""What no org has, to be asked for in the place of what another one has."""

from __future__ import annotations

from tests.api.route_walk import Things
from tests.api.running_server import Answer


def absent(things: Things) -> dict[str, str]:
    """Return the same placeholders, filled with what no org has, each of the same form."""
    return {
        name: "1"
        if name == "version"
        else "absent@example.com"
        if "@" in value
        else "0" * len(value)
        for name, value in things.items()
    }


def without_ids(answer: Answer, values: dict[str, str]) -> str:
    text = answer.content.decode()
    for value in sorted(values.values(), key=len, reverse=True):
        if len(value) > 1:
            text = text.replace(value, "ID")
    return text
