"""The OpenAPI document says what the server does, and the server does what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.http.client import Client
from tests.http.conftest import data_folder
from tests.product import Server
from tests.support import SCALE


@pytest.fixture(scope="module")
def document(anonymous: Client) -> Any:
    return anonymous.get("/api/openapi.json").json


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_the_document_is_openapi_3_1(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()


def test_every_operation_is_described_and_named_once(document: Any) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(names) == len(set(names))
    for method, path, operation in operations(document):
        assert operation["summary"].endswith("."), (method, path)


def test_every_path_parameter_is_described(document: Any) -> None:
    for method, path, operation in operations(document):
        described = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert set(re.findall(r"{([a-z_]+)}", path)) == described, (method, path)


def test_every_reference_leads_somewhere(document: Any) -> None:
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert names <= set(document["components"]["schemas"])
    assert {"Automation", "AutomationSummary", "Me", "ProblemDocument"} <= names


def test_what_the_document_calls_public_is_and_nothing_else(
    document: Any, anonymous: Client
) -> None:
    for method, path, operation in operations(document):
        if method == "get" and path != "/metrics":
            status = anonymous.get(re.sub(r"{[a-z_]+}", "x", path)).status
            assert (status == 401) == bool(operation["security"]), (path, status)


def test_the_messages_of_the_api_are_in_the_document(document: Any) -> None:
    run = document["paths"]["/api/v1/automations"]["post"]

    assert run["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/RunRequest"
    }
    assert run["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "/Automation"
    )
    assert run["x-permission"] == "automations.create"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Return what keeps connections: a handshake costs more than most requests."""
    with requests.Session() as session:
        yield session


@pytest.mark.timeout(1800)  # a hang guard: it makes about a thousand requests, and as many inputs
def test_no_input_that_fits_the_document_or_not_makes_the_server_fail(
    server: Server, document: Any, rita: Client, session: requests.Session
) -> None:
    """Rita may only read, so that nothing generated here gets in the way of other tests."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.base_url = server.url
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    skipped = re.compile(r"/api/v1/(login|setup|enrol|logout|tokens)|/events$")
    tried = 0

    for result in schema.get_all_operations():
        operation = result.ok()
        if skipped.search(operation.path):
            continue
        tried += 1

        @settings(
            max_examples=max(1, round((3 if SCALE > 1 else 2) * SCALE)),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def call(case: Any) -> None:
            case.call_and_validate(
                headers=rita.headers,
                verify=str(data_folder(server) / "ca.pem"),
                checks=checks,
                session=session,
                timeout=120,
            )

        call()

    assert tried > 20
