"""`opsicle/wire/endpoints` is the whole table of what can be asked.

By the server, by clients, by the browser.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

from opsicle.wire import endpoints
from opsicle.wire.endpoint import PLACEHOLDER, Endpoint
from tests.api.running_server import ApiServer

ROOT = Path(__file__).parents[2]
PATH_LITERAL = re.compile(r'"[^"]*/(?:api|worker)/v1[^"]*"')
ASKED_BY_A_PAGE = re.compile(r'"([A-Z]+) (/[^"]*)"')


def declared() -> dict[str, Endpoint[Any]]:
    """Return the endpoints by the place of their declaration, as `roles.SHOW`."""
    found = {}
    for module in pkgutil.iter_modules(endpoints.__path__):
        for name, each in vars(
            importlib.import_module(f"{endpoints.__name__}.{module.name}")
        ).items():
            if isinstance(each, Endpoint):
                found[f"{module.name}.{name}"] = each
    return found


def key(endpoint: Endpoint[Any]) -> str:
    return f"{endpoint.method} {PLACEHOLDER.sub('<>', endpoint.path)}"


def test_no_endpoint_is_declared_twice() -> None:
    keys = [key(endpoint) for endpoint in declared().values()]

    assert sorted(keys) == sorted(set(keys))


def test_every_route_answers_a_declared_endpoint_and_every_endpoint_has_a_route(
    api_server: ApiServer,
) -> None:
    people, workers = (
        api_server.application.routes,
        api_server.applications.for_workers.routes,
    )

    routed = [route.endpoint for route in (*people, *workers)]

    assert sorted(map(key, routed)) == sorted(map(key, declared().values()))
    assert all(any(endpoint is each for each in declared().values()) for endpoint in routed)


def test_an_endpoint_is_called_as_what_answers_it(api_server: ApiServer) -> None:
    people, workers = (
        api_server.application.routes,
        api_server.applications.for_workers.routes,
    )

    handlers = {id(route.endpoint): route.name.partition(".")[2] for route in (*people, *workers)}

    assert {place: handlers[id(each)] for place, each in declared().items()} == {
        place: place.partition(".")[2].lower() for place in declared()
    }


def test_no_path_of_the_api_is_written_down_outside_the_table() -> None:
    written = [
        f"{path.relative_to(ROOT)}: {literal}"
        for path in sorted((ROOT / "opsicle").rglob("*.py"))
        if ROOT / "opsicle" / "wire" / "endpoints" not in path.parents
        for literal in PATH_LITERAL.findall(re.sub(r'"""(?s:.*?)"""', "", path.read_text()))
    ]

    assert written == []


def test_what_the_pages_ask_for_is_in_the_table() -> None:
    known = {PLACEHOLDER.sub(r"{\1}", f"{each.method} {each.path}") for each in declared().values()}

    table = (ROOT / "assets" / "lib" / "endpoints.js").read_text()
    asked = [f"{method} /api/v1{path}" for method, path in ASKED_BY_A_PAGE.findall(table)]

    assert len(asked) > 50
    assert [each for each in asked if each not in known] == []


def test_a_path_has_each_name_as_one_quoted_segment() -> None:
    endpoint: Endpoint[None] = Endpoint("GET", "/api/v1/groups/<group>/members/<user>")

    assert endpoint.path_of("a/b", "ü?") == "/api/v1/groups/a%2Fb/members/%C3%BC%3F"


@pytest.mark.parametrize("names", [(), ("ops",), ("ops", "olga", "more")])
def test_a_path_is_not_filled_with_fewer_or_more_names_than_it_has(names: tuple[str, ...]) -> None:
    endpoint: Endpoint[None] = Endpoint("GET", "/api/v1/groups/<group>/members/<user>")

    with pytest.raises(ValueError, match="zip"):
        endpoint.path_of(*names)
