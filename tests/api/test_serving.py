"""The routes without a handler: what their endpoints say is what the services' methods take."""

from __future__ import annotations

from functools import partial
from inspect import signature
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from opsicle.server.access.actor import Actor, WorkerActor
from opsicle.server.http.routing import Access, Route
from opsicle.server.route_table import user_routes, worker_routes
from opsicle.wire.document_api import PushRequest, SourceRequest
from opsicle.wire.endpoint import PLACEHOLDER
from tests.api.running_server import ApiServer


def taken_and_returned(method: Any) -> tuple[list[Any], Any]:
    """Return the types of what a method takes by position, and that of what it returns."""
    hints = get_type_hints(method.func if isinstance(method, partial) else method)
    known = type_arguments(getattr(method, "__self__", None))
    by_position = [
        hints[parameter.name]
        for parameter in signature(method).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.default is parameter.empty
    ]
    returned = hints["return"]
    if isinstance(returned, TypeVar):
        return by_position, known[returned]
    if parameters := getattr(returned, "__parameters__", ()):
        return by_position, returned[tuple(known[each] for each in parameters)]
    return by_position, returned


def type_arguments(service: object) -> dict[TypeVar, Any]:
    """Return what stands for the type variables of the classes that a service is made of."""
    bases = getattr(type(service), "__orig_bases__", ())
    return {
        variable: argument
        for base in bases
        if isinstance(generic := get_origin(base), type)
        for variable, argument in zip(generic.__parameters__, get_args(base), strict=True)  # type: ignore[attr-defined]
    }


def promised(route: Route) -> tuple[list[Any], Any]:
    """Return the same, as the endpoint promises it."""
    endpoint = route.endpoint
    given: list[Any] = [WorkerActor if route.may is Access.WORKER else Actor]
    given += [str for _ in PLACEHOLDER.findall(endpoint.path)]
    body = str if endpoint.body in {SourceRequest, PushRequest} else endpoint.body
    given += [body] if body else []
    given += [str, int] if "cursor" in endpoint.query else []
    return given, endpoint.reply


def test_each_method_takes_and_returns_what_its_endpoint_says(api_server: ApiServer) -> None:
    services = api_server.services
    routes = [*user_routes(services), *worker_routes(services)]
    served = [route for route in routes if route.endpoint.description]

    assert len(served) > 70
    for route in served:
        assert isinstance(route.handler, partial)
        _, method, _ = route.handler.args
        assert taken_and_returned(method) == promised(route), route.name
