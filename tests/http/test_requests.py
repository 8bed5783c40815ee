"""What every route has in common: how it is asked, how it answers, how it says no."""

from __future__ import annotations

import pytest

from tests.http.client import Client
from tests.product import Server


def test_the_server_says_that_it_lives_and_is_ready(anonymous: Client) -> None:
    assert anonymous.get("/healthz").json == {"status": "ok"}
    assert anonymous.get("/readyz").json == {"status": "ok"}


def test_an_unknown_path_of_the_api_is_a_problem_document(anonymous: Client) -> None:
    answer = anonymous.get("/api/v1/nothing")

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["code"] == "not_found"
    assert answer.json["status"] == 404
    assert answer.json["detail"]
    assert answer.json["hint"]


def test_a_wrong_method_is_refused_and_the_right_ones_are_named(anonymous: Client) -> None:
    answer = anonymous.send("PUT", "/api/v1/whoami")

    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.json["code"] == "method_not_allowed"


def test_nobody_is_logged_in_without_proof(anonymous: Client) -> None:
    answer = anonymous.get("/api/v1/whoami")

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["code"] == "not_authenticated"


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer nonsense", "Basic YWxpY2U6cGFzcw==", "opsu_x"]
)
def test_a_malformed_authorization_is_refused(anonymous: Client, header: str) -> None:
    assert anonymous.get("/api/v1/whoami", Authorization=header).status == 401


def test_a_token_in_the_query_is_no_login(alice: Client, anonymous: Client) -> None:
    token = alice.headers["Authorization"].partition(" ")[2]

    assert anonymous.get(f"/api/v1/whoami?token={token}").status == 401


def test_the_token_of_the_command_line_logs_in(alice: Client) -> None:
    answer = alice.get("/api/v1/whoami")

    assert answer.status == 200
    assert answer.json["user"]["email"] == "alice@example.com"
    assert answer.json["csrf_token"] == ""


def test_a_body_that_does_not_fit_is_refused_naming_the_place(alice: Client) -> None:
    answer = alice.post("/api/v1/automations", {"template": "x", "values": {"a": {"b": 1}}})

    assert answer.status == 400
    assert answer.json["code"] == "invalid_input"
    assert answer.json["errors"][0]["path"].startswith("values")


def test_a_field_that_is_not_known_is_refused(alice: Client) -> None:
    answer = alice.post("/api/v1/automations", {"template": "x", "vlaues": {}})

    assert answer.status == 400
    assert "vlaues" in answer.json["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"source": "\xff"}', b"[" * 100_000, b"null", b"[]"])
def test_a_body_that_is_no_json_is_refused(alice: Client, body: bytes) -> None:
    assert alice.post("/api/v1/templates/validate", body).status == 400


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_a_form_is_no_body_so_that_no_other_site_can_send_one(alice: Client, kind: str) -> None:
    answer = alice.post("/api/v1/templates/validate", b'{"source": ""}', Content_Type=kind)

    assert answer.status == 400
    assert "application/json" in answer.json["hint"]


def test_a_body_longer_than_the_route_takes_is_refused(alice: Client, anonymous: Client) -> None:
    template = alice.post("/api/v1/templates/validate", {"source": "x" * (4 * 1024 * 1024)})
    login = anonymous.post("/api/v1/login", {"email": "x" * 20_000, "password": "x"})

    assert template.status == 413
    assert template.json["code"] == "too_large"
    assert login.status == 413


@pytest.mark.parametrize(
    "query", ["limit=abc", "limit=0", "limit=-1", "limit=1e3", "limit=1&limit=2", "stat=queued"]
)
def test_a_query_that_cannot_be_meant_is_refused(alice: Client, query: str) -> None:
    answer = alice.get(f"/api/v1/automations?{query}")

    assert answer.status == 400
    assert answer.json["errors"][0]["path"].startswith("query.")


@pytest.mark.parametrize("path", ["/api/v1/templates/%ff", "/api/v1/templates/a%00b", "/%00"])
def test_a_path_that_is_no_text_is_refused(alice: Client, path: str) -> None:
    assert alice.get(path).status == 400


def test_head_answers_like_get_without_the_body(anonymous: Client) -> None:
    get, head = anonymous.get("/healthz"), anonymous.send("HEAD", "/healthz")

    assert head.status == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_every_answer_carries_the_security_headers(anonymous: Client, alice: Client) -> None:
    answers = [
        anonymous.get("/"),
        anonymous.get("/api/v1/nothing"),
        anonymous.get("/healthz"),
        anonymous.send("DELETE", "/healthz"),
        alice.get("/api/v1/whoami"),
    ]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [("ops.example.com", True), ("ops.example.com:8443", False), ("localhost", False)],
)
def test_https_is_demanded_of_a_host_that_is_ours_alone(
    anonymous: Client, host: str, is_ours: bool
) -> None:
    assert ("Strict-Transport-Security" in anonymous.get("/", Host=host).headers) is is_ours


def test_answers_of_the_api_are_not_kept_by_anyone(alice: Client) -> None:
    assert alice.get("/api/v1/whoami").headers["Cache-Control"] == "no-store"


def test_many_requests_share_one_connection(server: Server, alice: Client) -> None:
    connection = alice.connect()
    ports = set()
    for _ in range(5):
        connection.request("GET", "/api/v1/whoami", headers=alice.headers)
        assert connection.getresponse().read()
        ports.add(connection.sock.getsockname())
    connection.close()

    assert len(ports) == 1


def test_the_log_has_a_line_for_a_request_that_failed_but_no_query_and_no_token(
    server: Server, alice: Client
) -> None:
    alice.get("/api/v1/automations/no-such-thing/log?offset=31415926")
    token = alice.headers["Authorization"].partition(" ")[2]

    log = server.process.log()
    assert '"path":"/api/v1/automations/no-such-thing/log","status":404' in log
    assert token not in log
    assert "31415926" not in log


def test_the_metrics_count_requests_by_route(alice: Client, anonymous: Client) -> None:
    anonymous.get("/readyz")

    text = alice.get("/metrics").content.decode()
    assert 'opsicle_requests_total{method="GET",route="health.readyz",status="200"}' in text
    assert 'opsicle_request_seconds_bucket{le="+Inf",route="health.readyz"}' in text
    assert "opsicle_connected_workers 0.0" in text
    assert "# TYPE opsicle_open_automations gauge" in text


def test_the_ca_is_there_for_clients_to_compare_and_trust(
    server: Server, anonymous: Client
) -> None:
    answer = anonymous.get("/api/v1/ca")

    assert answer.content.startswith(b"-----BEGIN CERTIFICATE-----")
    assert answer.content == (server.folder / "data/ca.pem").read_bytes()
