"""Which route a path belongs to."""

from __future__ import annotations

import pytest

from opsicle.server.http.route_matcher import Match, RouteMatcher, WrongMethod
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.wire.endpoint import Endpoint


def nothing(_request: Request) -> Reply:
    raise AssertionError("it is never called")


PATHS = [
    ("GET", "/api/v1/things"),
    ("POST", "/api/v1/things"),
    ("GET", "/api/v1/things/newest"),
    ("GET", "/api/v1/things/<name>"),
    ("DELETE", "/api/v1/things/<name>"),
    ("POST", "/api/v1/things/<name>/parts/<part>"),
    ("PUT", "/api/v1/things/newest/parts"),
]
TABLE = RouteMatcher(
    [Route(Endpoint[None](method, path), nothing, Access.PUBLIC) for method, path in PATHS]
)


@pytest.mark.parametrize(
    ("method", "path", "route", "arguments"),
    [
        ("GET", "/api/v1/things", "/api/v1/things", {}),
        ("HEAD", "/api/v1/things", "/api/v1/things", {}),
        ("GET", "/api/v1/things/newest", "/api/v1/things/newest", {}),
        ("GET", "/api/v1/things/a b", "/api/v1/things/<name>", {"name": "a b"}),
        ("DELETE", "/api/v1/things/newest", "/api/v1/things/<name>", {"name": "newest"}),
        ("POST", "/api/v1/things/newest/parts/1", PATHS[5][1], {"name": "newest", "part": "1"}),
    ],
)
def test_a_path_finds_its_route_and_what_its_names_stand_for(
    method: str, path: str, route: str, arguments: dict[str, str]
) -> None:
    found = TABLE.find(method, path)

    assert isinstance(found, Match)
    assert (found.route.endpoint.path, found.arguments) == (route, arguments)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/api/v1/things", "GET,POST"),
        ("POST", "/api/v1/things/newest", "DELETE,GET"),
        ("HEAD", "/api/v1/things/x/parts/y", "POST"),
    ],
)
def test_another_method_is_told_which_there_are(method: str, path: str, allowed: str) -> None:
    assert TABLE.find(method, path) == WrongMethod(allowed)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/api/v1/things/",
        "//api/v1/things",
        "/api/v1/things/a/b",
        "/API/v1/things",
        "/api/v1/things//parts/1",
    ],
)
def test_what_no_route_has_is_not_found(path: str) -> None:
    assert TABLE.find("GET", path) is None
    assert TABLE.find("POST", path) is None
