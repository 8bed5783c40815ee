"""What every list takes behind the `?`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from opsicle.server.access.actor import Actor
from opsicle.server.http.routing import Page, Reply, Request

T = TypeVar("T")

PAGE_SIZE, MAX_PAGE_SIZE = 50, 200


def list_reply(request: Request, page: Callable[[Actor, str, int], Page[T]]) -> Reply:
    """Return the page of a list that the request asks for."""
    limit = request.query_int("limit", PAGE_SIZE, low=1, high=MAX_PAGE_SIZE)
    return Reply(200, page(request.actor, request.query("cursor"), limit))
