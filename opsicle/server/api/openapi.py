"""The OpenAPI 3.1 document, made from the route table and the messages' types."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from opsicle.domain.access import Action
from opsicle.server.api.http import Access, Reply, Request, Route
from opsicle.server.api.request import JSON
from opsicle.version import __version__
from opsicle.wire.problems import CONTENT_TYPE, ProblemDocument

_PLACEHOLDER = re.compile(r"<([a-z_]+)>")
_QUERY_TYPES = {int: "integer", str: "string", bool: "boolean"}


def routes(others: Sequence[Route]) -> list[Route]:
    """The route that describes the others, and itself."""
    described = [*others]
    encoded = functools.cache(lambda: msgspec.json.encode(document(described)))
    described.append(Route("GET", "/api/openapi.json", partial(openapi, encoded), Access.PUBLIC, reply=dict[str, Any]))
    return described[-1:]


def openapi(encoded: Callable[[], bytes], _request: Request) -> Reply:
    """This document."""
    return Reply(200, raw=encoded(), content_type=JSON)


def document(table: Sequence[Route]) -> dict[str, Any]:
    """Describe every route of the table."""
    types = [ProblemDocument]
    types += [kind for route in table for kind in (route.body, route.reply) if kind is not None]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}", schema_hook=_any
    )
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        path = _PLACEHOLDER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Opsicle", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An API token or a CLI session."},
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
            str(route.status): _response(route, by_type),
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
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": by_type[route.body]}}}
    return operation


def _response(route: Route, by_type: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": "It was done."}
    if route.content_type:
        response["content"] = {route.content_type.partition(";")[0]: {}}
    elif route.reply is not None:
        response["content"] = {JSON: {"schema": by_type[route.reply]}}
    return response


def _problem_content(by_type: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return {CONTENT_TYPE: {"schema": by_type[ProblemDocument]}}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = _PLACEHOLDER.findall(route.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": {"type": _QUERY_TYPES[kind]}} for name, kind in route.query.items()]


def _any(kind: type) -> dict[str, Any]:
    """The schema of `object`, as which we type JSON that may be anything."""
    if kind is not object:
        raise TypeError(f"no schema for {kind}")
    return {"description": "Any JSON."}
