"""The browser's application as files."""

from __future__ import annotations

import gzip

import pytest

from opsicle.kit import resources
from tests.http.client import Client


def test_every_asset_is_served_with_a_type_that_browsers_run(anonymous: Client) -> None:
    kinds = {
        "js": "text/javascript",
        "css": "text/css",
        "html": "text/html",
        "svg": "image/svg+xml",
    }
    for name in resources.asset_names():
        answer = anonymous.get(f"/{name}")
        assert answer.status == 200, name
        assert answer.content == resources.asset(name)
        assert answer.headers["Content-Type"].partition(";")[0] == kinds[name.rpartition(".")[2]], (
            name
        )


@pytest.mark.parametrize(
    "path", ["/", "/automations", "/automations/01k/log", "/setup", "/templates/a-b"]
)
def test_every_address_of_the_application_gets_its_page(anonymous: Client, path: str) -> None:
    answer = anonymous.get(path)
    assert answer.status == 200
    assert answer.content == resources.asset("index.html")


@pytest.mark.parametrize(
    "path",
    [
        "/missing.js",
        "/lib/missing.css",
        "/../opsicle.py",
        "/%2e%2e/build.py",
        "/api/",
        "/api/x",
        "/.oxfmtrc.json",
        "/.oxlintrc.json",
    ],
)
def test_what_is_no_asset_is_not_found(anonymous: Client, path: str) -> None:
    answer = anonymous.get(path)
    assert answer.status == 404
    assert answer.json["code"] == "not_found"


def test_nothing_but_reading_is_possible_outside_the_api(anonymous: Client) -> None:
    assert anonymous.post("/automations", {}).status == 404
    assert anonymous.send("DELETE", "/").status == 404


def test_a_browser_that_has_the_file_is_not_sent_it_again(anonymous: Client) -> None:
    first = anonymous.get("/index.html")
    again = anonymous.get("/index.html", If_None_Match=first.headers["ETag"])

    assert again.status == 304
    assert again.content == b""
    assert first.headers["Cache-Control"] == "no-cache"


def test_a_file_goes_out_packed_to_whom_it_helps(anonymous: Client) -> None:
    name = max(resources.asset_names(), key=lambda name: len(resources.asset(name)))
    packed = anonymous.get(f"/{name}", Accept_Encoding="br, gzip")
    plain = anonymous.get(f"/{name}", Accept_Encoding="identity")

    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.content) == plain.content == resources.asset(name)
    assert len(packed.content) < len(plain.content)
    assert packed.headers["Vary"] == "Accept-Encoding"
