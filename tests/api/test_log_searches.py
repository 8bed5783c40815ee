"""A search of which nobody awaits the answer any more ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from opsicle.server.http.request import ON_DISCONNECT
from tests.api.running_server import Client


@contextmanager
def hang_up(call: Callable[[], None]) -> Iterator[None]:
    """Close the connection as soon as the server watches it, as a listener tells of that."""
    call()
    yield


def test_a_search_ends_when_its_client_is_gone(alice: Client) -> None:
    gone = replace(alice, environ={ON_DISCONNECT: hang_up})

    assert alice.call("GET", "/api/v1/logs/search?text=x").json["next_cursor"] == ""
    answer = gone.call("GET", "/api/v1/logs/search?text=x").json
    assert (answer["items"], answer["searched_bytes"]) == ([], 0)
    assert answer["next_cursor"] != ""
