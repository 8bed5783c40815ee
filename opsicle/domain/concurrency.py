"""Where an automation stands in the queue: its priority, and its concurrency group."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from opsicle.domain.templates import Template, Value
from opsicle.domain.values import Scalar, as_text

_LONGEST_KEY = 200
"""Characters of a group's name with its values. A digest stands for what is longer."""


class QueuePlace(NamedTuple):
    """What a template and its values say of the queue; without a group the last three are None."""

    priority: int
    max_waiting: int | None = None
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    on_limit: str | None = None


def queue_place(
    template: Template, values: Mapping[str, Value], *, is_member: bool = False
) -> QueuePlace:
    """Return where an automation of a template stands that was given these values.

    A part of one that runs on several machines (`is_member`) is in no group, and counts towards no
    limit of the template: that one is, and does.
    """
    if is_member:
        return QueuePlace(template.priority)
    concurrency = template.concurrency
    if concurrency is None:
        return QueuePlace(template.priority, template.max_waiting)

    parts = [concurrency.group, *(_written(values.get(name)) for name in concurrency.by)]
    key = "/".join(parts)
    if len(key) > _LONGEST_KEY:
        key = f"{concurrency.group}/sha256:{hashlib.sha256(key.encode()).hexdigest()}"
    return QueuePlace(
        template.priority, template.max_waiting, key, concurrency.limit, concurrency.on_limit
    )


def _written(value: Value | None) -> str:
    """Return a value as a part of a key: no two values that differ are written alike."""
    if value is None:
        return ""
    items: list[Scalar] = value if isinstance(value, list) else [value]
    return ",".join(quote(as_text(item), safe=" @:+=-") for item in items)
