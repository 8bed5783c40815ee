"""A cookie proves less than a token.

What else a browser must show before anything changes.
"""

from __future__ import annotations

import pytest

from tests.http.client import Client
from tests.http.conftest import open_browser, without
from tests.product import Server

CHANGE = "/api/v1/templates/validate"
BODY = {"source": ""}


def reaches_the_route(client: Client) -> bool:
    """Return whether a change got past authentication.

    The empty template is then refused for what it is.
    """
    answer = client.post(CHANGE, BODY)
    assert answer.status in (400, 401, 403), answer
    return answer.status == 400


def test_the_cookie_is_bound_to_this_host_and_hidden_from_scripts(
    server: Server, anonymous: Client
) -> None:
    body = {
        "email": "alice@example.com",
        "password": "correct horse battery staple",
        "kind": "browser",
    }
    answer = anonymous.post("/api/v1/login", body)

    name, _, attributes = answer.headers["Set-Cookie"].partition("=")
    assert name == "__Host-opsicle"
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes.split("; "))
    assert "Domain" not in attributes
    assert answer.json["token"] == ""


def test_our_own_page_may_read_and_change(browser: Client) -> None:
    assert browser.get("/api/v1/whoami").json["csrf_token"] == browser.headers["Opsicle-CSRF"]
    assert reaches_the_route(browser)


def test_reading_takes_the_cookie_alone(browser: Client) -> None:
    assert without(browser, "Origin", "Opsicle-CSRF").get("/api/v1/whoami").status == 200


@pytest.mark.parametrize("missing", ["Origin", "Opsicle-CSRF"])
def test_a_change_without_proof_that_our_page_asks_is_refused(
    browser: Client, missing: str
) -> None:
    assert not reaches_the_route(without(browser, missing))


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1", ""])
def test_a_change_that_another_site_asks_for_is_refused(browser: Client, origin: str) -> None:
    browser.headers["Origin"] = origin
    assert not reaches_the_route(browser)


def test_the_csrf_token_of_another_session_is_refused(server: Server, browser: Client) -> None:
    browser.headers["Opsicle-CSRF"] = open_browser(server, "alice").headers["Opsicle-CSRF"]
    assert not reaches_the_route(browser)


def test_another_site_cannot_log_a_browser_in(anonymous: Client) -> None:
    body = {
        "email": "alice@example.com",
        "password": "correct horse battery staple",
        "kind": "browser",
    }
    answer = anonymous.post("/api/v1/login", body, Origin="https://evil.example")

    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


def test_a_browsers_cookie_is_no_bearer_token(browser: Client, anonymous: Client) -> None:
    token = browser.headers["Cookie"].partition("=")[2]
    assert anonymous.get("/api/v1/whoami", Authorization=f"Bearer {token}").status == 401


def test_a_command_lines_token_is_no_cookie(alice: Client, anonymous: Client) -> None:
    token = alice.headers["Authorization"].partition(" ")[2]
    assert anonymous.get("/api/v1/whoami", Cookie=f"__Host-opsicle={token}").status == 401


def test_a_cookie_without_the_prefix_is_not_looked_at(browser: Client) -> None:
    browser.headers["Cookie"] = browser.headers["Cookie"].removeprefix("__Host-")
    assert browser.get("/api/v1/whoami").status == 401


def test_logging_out_ends_the_session_and_clears_the_cookie(browser: Client) -> None:
    answer = browser.post("/api/v1/logout")

    assert answer.status == 204
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert browser.get("/api/v1/whoami").status == 401


def test_no_answer_allows_another_site_anything(anonymous: Client) -> None:
    preflight = anonymous.send("OPTIONS", CHANGE, headers={"Origin": "https://evil.example"})

    assert preflight.status == 405
    assert not [name for name in preflight.headers if name.lower().startswith("access-control")]
