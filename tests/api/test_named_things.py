"""Another org's thing, named beside the path, is answered like one that never was.

What people send is read from the endpoints: a new field has to be tried, or to name nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

import msgspec
import pytest

from tests.api.absent_things import absent, without_ids
from tests.api.route_bodies import BODIES
from tests.api.route_walk import PUBLIC, A, Things, filled, key, prepare
from tests.api.running_server import Answer, ApiServer, Client
from tests.api.test_other_orgs import by_id
from tests.api.test_templates import source


@pytest.fixture
def acme(api_server: ApiServer) -> Things:
    return prepare(api_server, "acme", "alice@example.com", "restart-web")


@pytest.fixture
def globex(api_server: ApiServer) -> Things:
    return prepare(api_server, "globex", "gina@example.com", "globex-only")


class Naming(NamedTuple):
    """A field of a body, or a parameter (with `?`), and which thing of another org it names."""

    route_key: str
    field: str
    what: str
    more: Mapping[str, object] = MappingProxyType({})


NAMING = (
    Naming("POST /api/v1/users", "manager", "user"),
    Naming("POST /api/v1/users", "role", "role"),
    Naming("PATCH /api/v1/users/<user>", "manager", "user"),
    Naming("PATCH /api/v1/users/<user>", "role", "role"),
    Naming("DELETE /api/v1/users/<user>", "?new_owner", "user"),
    Naming("POST /api/v1/invitations", "manager", "user"),
    Naming("POST /api/v1/invitations", "role", "role"),
    Naming("POST /api/v1/service-accounts", "owner", "user"),
    Naming("POST /api/v1/service-accounts", "role", "role"),
    Naming("POST /api/v1/tokens", "account", "user"),
    Naming("POST /api/v1/automations", "template", "name"),
    Naming("POST /api/v1/automations", "worker", "worker"),
    Naming("POST /api/v1/automations", "draft", "draft_id"),
    Naming("POST /api/v1/automations", "values", "file_id", {"template": "takes-a-file"}),
    Naming("POST /api/v1/automations/preview", "template", "name"),
    Naming("POST /api/v1/automations/preview", "worker", "worker"),
    Naming("POST /api/v1/automations/preview", "draft", "draft_id"),
    Naming("POST /api/v1/automations/preview", "values", "file_id", {"template": "takes-a-file"}),
    Naming("GET /api/v1/templates/<name>/approval", "?requester", "user"),
    Naming("POST /api/v1/chat-links", "channel", "channel"),
    Naming(
        "PUT /api/v1/preferences", "channel", "channel",
        {"notice": "automation_finished", "is_on": True},
    ),
)  # fmt: skip

NAMES_NOTHING = {
    *("reason", "totp", "evidence_digest", "message", "source", "body", "value", "description"),
    *("name", "email", "credential", "password", "current_password", "phase_from", "time_zone"),
    *("config", "labels", "rules", "scopes"),
    *("?cursor", "?from", "?to", "?since", "?until", "?stream", "?text"),
}
"""Texts, names that a thing gets here, and rules, which may name what there is not."""

VALUES_ONLY = re.compile(r"POST /api/v1/approvals/<approval_id>/(approve|reject)")
"""Whose `values` are for a pause, which asks for no files."""

TAKES_A_FILE = source("takes-a-file").replace("{id: service", "{id: report, type: file}, {id: x")


def fields_with_text(api_server: ApiServer) -> Iterator[tuple[str, str]]:
    """Yield what people send beside a path that could name a thing."""
    for route in api_server.application.routes:
        endpoint = route.endpoint
        if route.may in (PUBLIC, A.SERVER_MANAGE, A.ORGS_CREATE):
            continue
        if "<" in endpoint.path:  # lists are asked with each filter above
            yield from (
                (key(route), f"?{each}") for each, kind in endpoint.query.items() if kind is str
            )
        if isinstance(endpoint.body, type) and issubclass(endpoint.body, msgspec.Struct):
            for field in msgspec.structs.fields(endpoint.body):
                if "str" in repr(field.type) and "Literal" not in repr(field.type):
                    yield key(route), field.name


def test_every_field_that_can_name_a_thing_is_tried_with_another_orgs(
    api_server: ApiServer,
) -> None:
    found = {
        (route_key, name)
        for route_key, name in fields_with_text(api_server)
        if name not in NAMES_NOTHING and not (name == "values" and VALUES_ONLY.fullmatch(route_key))
    }

    assert found == {(each.route_key, each.field) for each in NAMING}


def test_what_names_anothers_orgs_thing_is_answered_like_what_names_nothing(
    api_server: ApiServer, acme: Things, globex: Things
) -> None:
    alice = api_server.session("alice@example.com")
    assert alice.post("/api/v1/templates", {"source": TAKES_A_FILE}).status == 201

    for each in NAMING:
        for things in (globex, by_id(api_server, globex)):
            foreign, missing = (naming(alice, each, acme, one) for one in (things, absent(things)))
            assert foreign.status == missing.status, (each, foreign.content, missing.content)
            assert foreign.status >= 400 or each.route_key.endswith("/preview"), each
            assert without_ids(foreign, things) == without_ids(missing, absent(things)), each


def naming(client: Client, wanted: Naming, own: Things, things: Things) -> Answer:
    """Call a route of one's own org that names one of these things."""
    named = things[wanted.what]
    method, path = wanted.route_key.split(" ", 1)
    if wanted.field.startswith("?"):
        return client.call(method, f"{filled(path, own)}{wanted.field}={quote(named)}")
    value = {"report": named} if wanted.field == "values" else named
    given = {**BODIES.get(wanted.route_key, {}), **wanted.more, wanted.field: value}  # type: ignore[dict-item]
    return client.call(method, filled(path, own), given)
