"""The OpenAPI 3.1 document, made from the route table and the messages' types."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import partial
from types import NoneType
from typing import Any

import msgspec

from opsicle.domain.access import Action
from opsicle.server.http.request import BYTES, JSON
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.version import __version__
from opsicle.wire.endpoint import PLACEHOLDER
from opsicle.wire.endpoints import server as endpoints
from opsicle.wire.problems import CONTENT_TYPE, ProblemDocument

_NO_MESSAGE = (None, NoneType, bytes)
_QUERY_TYPES = {int: "integer", str: "string", bool: "boolean"}


def routes(others: Sequence[Route]) -> list[Route]:
    """Return the route that describes the others, and itself."""
    described = [*others]
    encoded = functools.cache(lambda: msgspec.json.encode(document(described)))
    described.append(Route(endpoints.OPENAPI, partial(openapi, encoded), Access.PUBLIC))
    return described[-1:]


def openapi(encoded: Callable[[], bytes], _request: Request) -> Reply:
    """Return this document."""
    return Reply(200, raw=encoded(), content_type=JSON)


def document(table: Sequence[Route]) -> dict[str, Any]:
    """Describe every route of the table."""
    types = [ProblemDocument]
    types += [
        kind
        for route in table
        for kind in (route.endpoint.body, route.endpoint.reply)
        if kind not in _NO_MESSAGE
    ]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}", schema_hook=_any
    )

    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        path = PLACEHOLDER.sub(r"{\1}", route.endpoint.path)
        paths.setdefault(path, {})[route.endpoint.method.lower()] = _operation(route, by_type)

    return {
        "openapi": "3.1.0",
        "info": {"title": "Opsicle", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token or a CLI session.",
                },
                "browser": {"type": "apiKey", "in": "cookie", "name": "__Host-opsicle"},
            },
        },
    }


def _operation(route: Route, by_type: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    summary, _, rest = route.description.partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.name.partition(".")[0]],
        "summary": " ".join(summary.split()),
        "responses": {
            str(route.endpoint.status): _response(route, by_type),
            "default": {"description": "What went wrong.", "content": _problem_content(by_type)},
        },
        "security": [{"token": []}, {"browser": []}] if isinstance(route.may, Action) else [],
    }

    if rest:
        operation["description"] = " ".join(rest.split())
    if isinstance(route.may, Action):
        operation["x-permission"] = str(route.may)
    if parameters := [*_path_parameters(route), *_query_parameters(route)]:
        operation["parameters"] = parameters
    if route.endpoint.body is bytes:
        operation["requestBody"] = {"required": True, "content": {BYTES: {}}}
    elif route.endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": by_type[route.endpoint.body]}},
        }
    return operation


def _response(route: Route, by_type: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": "It was done."}
    if route.endpoint.content_type:
        response["content"] = {route.endpoint.content_type.partition(";")[0]: {}}
    elif route.endpoint.reply not in _NO_MESSAGE:
        response["content"] = {JSON: {"schema": by_type[route.endpoint.reply]}}
    return response


def _problem_content(by_type: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return {CONTENT_TYPE: {"schema": by_type[ProblemDocument]}}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = PLACEHOLDER.findall(route.endpoint.path)
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "schema": {"type": _QUERY_TYPES[kind]}}
        for name, kind in route.endpoint.query.items()
    ]


def _any(kind: type) -> dict[str, Any]:
    """Return the schema of `object`, as which we type JSON that may be anything."""
    if kind is not object:
        raise TypeError(f"no schema for {kind}")
    return {"description": "Any JSON."}
