"""Every type of every route says how long its values may be, and the server holds to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import inspect

import opsicle.server
from opsicle.server.channels.kind import ChannelKind
from opsicle.server.channels.kinds import KINDS
from opsicle.server.channels.kinds.slack.transport import SlackEvent, SlackUser
from opsicle.server.http.paging import MAX_PAGE_BYTES
from opsicle.server.http.routing import Route
from opsicle.server.http.serving import ServedRoute
from tests.api.running_server import ApiServer
from tests.api.test_templates import source

BOUNDED = (
    inspect.StrType,
    inspect.BytesType,
    inspect.ListType,
    inspect.VarTupleType,
    inspect.DictType,
)
TOO_LONG = "x" * 2_000_000


class Inner(msgspec.Struct):
    """Something in which there is no maximum."""

    texts: dict[str, list[bytes]]


class Outer(msgspec.Struct):
    """Something that holds it, deep down."""

    inner: tuple[int, Inner] | None
    titled: Annotated[str, msgspec.Meta(title="Has a title")]
    anything: msgspec.Raw


def unbounded(kind: Any, path: str, seen: tuple[Any, ...] = ()) -> Iterator[str]:
    """Return where a type, or anything inside it, has no maximum.

    A type inside itself is looked at once.
    """
    if (
        isinstance(kind, BOUNDED)
        and kind.max_length is None
        and getattr(kind, "pattern", None) is None
    ):
        yield path
    if isinstance(kind, inspect.AnyType | inspect.RawType):
        yield f"{path} (anything)"
    if isinstance(kind, inspect.StructType) and kind.cls not in seen:
        for field in kind.fields:
            yield from unbounded(field.type, f"{path}.{field.name}", (*seen, kind.cls))
    if isinstance(kind, inspect.Metadata):
        yield from unbounded(kind.type, path, seen)
    for inner in inner_types(kind):
        yield from unbounded(inner, f"{path}[]", seen)


def inner_types(kind: Any) -> list[Any]:
    if isinstance(kind, inspect.DictType):
        return [kind.key_type, kind.value_type]
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return [kind.item_type]
    if isinstance(kind, inspect.UnionType):
        return list(kind.types)
    return list(kind.item_types) if isinstance(kind, inspect.TupleType) else []


NO_MESSAGE = (None, bytes)
"""Bytes are bounded by the endpoint's `max_body`."""


def every_route(api_server: ApiServer) -> list[Route]:
    return [*api_server.application.routes, *api_server.applications.for_workers.routes]


def test_every_text_and_every_list_that_a_route_takes_has_a_maximum(api_server: ApiServer) -> None:
    bodies = {
        route.endpoint.body
        for route in every_route(api_server)
        if route.endpoint.body not in NO_MESSAGE
    }
    found = {path for body in bodies for path in unbounded(inspect.type_info(body), body.__name__)}

    assert not found
    assert len(bodies) > 30


def test_the_walk_finds_what_has_no_maximum_wherever_it_hides() -> None:
    found = set(unbounded(inspect.type_info(Outer), "Outer"))

    at = "Outer.inner[][].texts"
    assert found == {at, f"{at}[]", f"{at}[][]", "Outer.titled", "Outer.anything (anything)"}


def test_what_a_handler_decodes_is_what_its_route_names(api_server: ApiServer) -> None:
    package = Path(str(opsicle.server.__file__)).parent
    files = [*package.rglob("routes.py"), *package.rglob("routes/*.py")]
    assert len(files) > 15
    decoded = {
        name
        for file in files
        for name in re.findall(r"request\.body\((?:\w+\.)?(\w+)\)", file.read_text())
    }

    assert decoded == {
        route.endpoint.body.__name__
        for route in every_route(api_server)
        if route.endpoint.body not in NO_MESSAGE and not isinstance(route, ServedRoute)
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_settings_of_a_channel_are_bounded_too(kind: ChannelKind[Any]) -> None:
    assert not set(unbounded(inspect.type_info(kind.config), kind.name))


def test_who_a_chat_service_says_that_somebody_is_has_a_maximum() -> None:
    """It stands in the record, and counts wrong codes."""
    found = set(unbounded(inspect.type_info(SlackEvent), "event"))

    assert not set(unbounded(inspect.type_info(SlackUser), "user"))
    assert not found & {"event.user", "event.channel"}


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/api/v1/automations", {"template": "hello", "reason": TOO_LONG}, "reason"),
        (
            "/api/v1/automations",
            {"template": "hello", "values": {"who": "x" * 70_000}},
            "values[...]",
        ),
        ("/api/v1/groups", {"name": "ops", "rules": ["allow view audit"] * 201}, "rules"),
        (
            "/api/v1/users",
            {"email": "bob@example.com", "role": "member", "password": TOO_LONG},
            "password",
        ),
    ],
)
def test_what_is_too_long_is_refused_with_its_place_and_its_maximum(
    api_server: ApiServer, path: str, body: dict[str, Any], place: str
) -> None:
    alice = api_server.login("alice@example.com")

    answer = alice.post(path, body)

    assert answer.status == 400
    (error,) = answer.json["errors"]
    assert error["path"] == place
    assert re.fullmatch(r"may have at most [0-9,]+ (characters|items)", error["message"])
    assert len(answer.content) < 1_000


def test_a_document_of_a_mebibyte_is_taken_however_its_sender_writes_json(
    api_server: ApiServer,
) -> None:
    alice = api_server.login("alice@example.com")
    document = source("large", "true") + "#" + "é\n#" * 260_000

    answer = alice.post("/api/v1/templates", {"source": document})

    assert len(document.encode()) > 1_030_000
    assert answer.status == 201, answer.content


@pytest.mark.parametrize("parameter", ["state", "template", "cursor", "limit"])
def test_a_query_parameter_has_a_maximum(api_server: ApiServer, parameter: str) -> None:
    alice = api_server.login("alice@example.com")

    answer = alice.get(f"/api/v1/automations?{parameter}={'x' * 600}")

    assert answer.status == 400
    assert len(answer.content) < 1_000


def test_a_page_of_large_items_ends_early_and_says_where_to_go_on(api_server: ApiServer) -> None:
    alice = api_server.login("alice@example.com")
    labels = ", ".join(f"l{i}: {'x' * 900}" for i in range(60))
    large = source("name", "true").replace("{tier: web}", f"{{{labels}}}")
    names = [f"large-{i:02}" for i in range(30)]
    for name in names:
        assert (
            alice.post(
                "/api/v1/templates", {"source": large.replace("name: name", f"name: {name}")}
            ).status
            == 201
        )

    seen, cursor, sizes = [], "", []
    while True:
        answer = alice.get(f"/api/v1/templates?limit=200&cursor={cursor}")
        sizes.append(len(answer.content))
        seen += [item["name"] for item in answer.json["items"]]
        cursor = answer.json["next_cursor"]
        if not cursor:
            break

    assert seen == names
    assert len(sizes) == 2
    assert max(sizes) < MAX_PAGE_BYTES + 100_000


def test_methods_that_somebody_made_up_count_as_one(api_server: ApiServer) -> None:
    for method in ("BREW", "PROPFIND", "X", "GET"):
        api_server.client().call(method, "/healthz")

    counted = {method for _, method, _ in api_server.applications.metrics._requests}

    assert counted == {"GET", "other"}


def test_a_list_of_automations_with_long_reasons_ends_early_and_says_where_to_go_on(
    api_server: ApiServer,
) -> None:
    alice = api_server.session("alice@example.com")
    alice.post("/api/v1/templates", {"source": source("hello", "true")})
    body = {"template": "hello", "reason": "€" * 2_000}
    ids = [alice.post("/api/v1/automations", body).json["id"] for _ in range(190)]

    first = alice.get("/api/v1/automations?limit=200")
    cursor = first.json["next_cursor"]
    second = alice.get(f"/api/v1/automations?limit=200&cursor={cursor}")

    assert len(first.content) < MAX_PAGE_BYTES + 20_000
    assert [item["id"] for item in [*first.json["items"], *second.json["items"]]] == ids[::-1]
    assert second.json["next_cursor"] == ""
