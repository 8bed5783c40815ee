"""Windows of one browser are of several orgs, and what one asks is never done in another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.http.client import Client, Response
from tests.http.conftest import client_of, email, open_browser
from tests.product import PASSWORD, Server

SECRET = {"name": "of-one-window", "value": "correct horse"}


@pytest.fixture(scope="module", autouse=True)
def initech(alice: Client) -> None:
    """Found a second org of nell, an admin of acme."""
    nell = {"email": email("nell"), "password": PASSWORD, "role": "admin"}
    assert alice.post("/api/v1/users", nell).status == 201
    assert alice.post("/api/v1/orgs", {"code": "initech", "admin": email("nell")}).status == 201


@pytest.fixture
def acme(server: Server) -> Client:
    """Return nell's browser, in which she has logged in to acme."""
    return logged_in(server, "nell", "acme")


def logged_in(server: Server, name: str, org: str, cookies: str = "") -> Client:
    body = {"email": email(name), "password": PASSWORD, "kind": "browser", "org": org}
    asking = client_of(server, Cookie=cookies, Origin=server.url)
    return holding(asking, asking.post("/api/v1/login", body))


def entered(window: Client, org: str) -> Client:
    """Return a window of another org, in the same browser."""
    return holding(window, window.post(f"/api/v1/orgs/{org}/switch", {"is_kept": True}))


def holding(window: Client, answer: Response) -> Client:
    """Return a window that holds the cookies that the browser has after an answer."""
    assert answer.status == 200, answer
    kept = dict(pair.split("=", 1) for pair in window.headers.get("Cookie", "").split("; ") if pair)
    for each in answer.headers.get_all("Set-Cookie"):
        name, token = each.partition(";")[0].split("=", 1)
        kept.pop(name, None)
        if token:
            kept[name] = token
    cookies = "; ".join(f"{name}={token}" for name, token in kept.items())
    csrf = answer.json["me"]["csrf_token"]
    return replace(window, headers={**window.headers, "Cookie": cookies, "Opsicle-CSRF": csrf})


def secrets_of(window: Client, org: str) -> set[str]:
    items = window.get(f"/orgs/{org}/api/v1/secrets").json["items"]
    return {each["name"] for each in items}


def test_what_a_window_changes_is_changed_in_the_org_of_its_address(acme: Client) -> None:
    initech = entered(acme, "initech")
    first = replace(acme, headers={**acme.headers, "Cookie": initech.headers["Cookie"]})

    answer = first.post("/orgs/acme/api/v1/secrets", SECRET)

    assert answer.status == 201, answer
    assert secrets_of(initech, "acme") == {"of-one-window"}
    assert secrets_of(initech, "initech") == set()
    assert initech.get("/api/v1/whoami").json["org"]["code"] == "initech"
    assert first.send("DELETE", "/orgs/acme/api/v1/secrets/of-one-window").status == 204


def test_nothing_is_done_or_shown_in_an_org_that_the_browser_is_not_logged_in_to(
    server: Server, acme: Client, alice: Client
) -> None:
    for asking in (acme, alice):
        assert asking.get("/orgs/initech/api/v1/secrets").status == 401
        assert asking.post("/orgs/initech/api/v1/secrets", SECRET).status == 401
        assert asking.get("/orgs/acme/api/v1/whoami").status == 200
        assert asking.get("/orgs/acme/api/v1/nothing").status == 404

    assert secrets_of(entered(acme, "initech"), "acme") == set()


def test_the_code_that_one_orgs_page_has_is_refused_in_another(acme: Client) -> None:
    initech = entered(acme, "initech")

    assert initech.post("/orgs/acme/api/v1/secrets", SECRET).status == 403


def test_logging_out_ends_the_sessions_in_all_orgs(acme: Client) -> None:
    initech = entered(acme, "initech")

    answer = initech.post("/orgs/initech/api/v1/logout")

    assert answer.status == 204
    ended = {each.partition("=")[0] for each in answer.headers.get_all("Set-Cookie")}
    assert ended == {"__Host-opsicle", "__Host-opsicle-acme", "__Host-opsicle-initech"}
    for org in ("acme", "initech"):
        assert initech.get(f"/orgs/{org}/api/v1/whoami").status == 401


def test_whoever_logs_in_next_finds_no_session_of_the_one_before(
    server: Server, acme: Client, carol: Client
) -> None:
    left = entered(acme, "initech")

    next_one = logged_in(server, "carol", "acme", left.headers["Cookie"])

    assert next_one.get("/orgs/acme/api/v1/whoami").json["user"]["email"] == email("carol")
    assert next_one.get("/orgs/initech/api/v1/whoami").status == 401


def test_a_cookie_from_before_orgs_had_their_own_is_good_in_its_org_alone(server: Server) -> None:
    before = open_browser(server, "carol")
    assert before.headers["Cookie"].startswith("__Host-opsicle=")

    assert before.get("/orgs/acme/api/v1/whoami").status == 200
    assert before.get("/orgs/initech/api/v1/whoami").status == 401
