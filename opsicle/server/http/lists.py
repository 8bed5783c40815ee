"""What every list takes behind the `?`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from opsicle.kit.ids import lowest_id
from opsicle.server.access.actor import Actor
from opsicle.server.http.routing import Page, Reply, Request
from opsicle.wire.pages import MAX_PAGE_SIZE, PAGE_SIZE

T = TypeVar("T")


def newest_before(cursor: str, until: datetime | None) -> str:
    """Return the cursor of a list by ids, newest first, that leaves out what came at `until`."""
    ids = [each for each in (cursor, lowest_id(until) if until else "") if each]
    return min(ids, default="")


def list_reply(request: Request, page: Callable[[Actor, str, int], Page[T]]) -> Reply:
    """Return the page of a list that the request asks for."""
    limit = request.query_int("limit", PAGE_SIZE, low=1, high=MAX_PAGE_SIZE)
    return Reply(200, page(request.actor, request.query("cursor"), limit))
