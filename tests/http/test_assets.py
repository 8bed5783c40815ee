"""The browser's application as files."""

from __future__ import annotations

import gzip
import re
from posixpath import normpath

import pytest

from opsicle.kit import resources
from tests.http.client import Client


def test_every_asset_is_served_with_a_type_that_browsers_run(anonymous: Client) -> None:
    kinds = {
        "js": "text/javascript",
        "css": "text/css",
        "html": "text/html",
        "svg": "image/svg+xml",
        "json": "application/json",
    }
    for name in resources.asset_names():
        answer = anonymous.get(f"/{name}")
        assert answer.status == 200, name
        assert answer.content
        assert answer.headers["Content-Type"].partition(";")[0] == kinds[name.rpartition(".")[2]], (
            name
        )


@pytest.mark.parametrize(
    "path", ["/", "/automations", "/automations/01k/log", "/setup", "/templates/a-b"]
)
def test_every_address_of_the_application_gets_its_page(anonymous: Client, path: str) -> None:
    answer = anonymous.get(path)
    assert answer.status == 200
    assert answer.content == anonymous.get("/index.html").content
    assert b"<title>Opsicle</title>" in answer.content


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
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) < len(plain.content)
    assert packed.headers["Vary"] == "Accept-Encoding"


def linked(page: bytes) -> list[str]:
    return re.findall(r'(?:href|src)="(/v-[^"]+)"', page.decode())


def test_what_the_page_links_is_kept_for_good_but_the_page_is_not(anonymous: Client) -> None:
    addresses = linked(anonymous.get("/").content)

    assert [address.rpartition("/")[2] for address in addresses] == ["app.css", "app.js"]
    for address in addresses:
        answer = anonymous.get(address)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        prefix = address.rpartition("/")[0]
        assert anonymous.get(f"{prefix}/index.html").headers["Cache-Control"] == "no-cache"


def test_under_the_prefix_of_another_version_is_nothing(anonymous: Client) -> None:
    assert anonymous.get("/v-0123456789abcdef/app.js").status == 404


def test_every_style_sheet_stands_in_the_joined_one_in_the_order_of_the_page(
    anonymous: Client,
) -> None:
    joined = anonymous.get("/app.css").content
    assert b"/*" not in joined
    lines = [line for line in joined.split(b"\n") if line.strip()]
    named = re.findall(rb'rel="stylesheet" href="/([^"]+)"', resources.asset("index.html"))

    sheets = [resources.asset(name.decode()) for name in named]

    assert sorted(name.decode() for name in named) == [
        name for name in resources.asset_names() if name.endswith(".css")
    ]
    without_comments = re.sub(rb"/\*.*?\*/", b"", b"\n".join(sheets), flags=re.DOTALL)
    wanted = [line.rstrip() for line in without_comments.split(b"\n") if line.strip()]
    assert [line.rstrip() for line in lines] == wanted


def test_no_module_is_run_twice(anonymous: Client) -> None:
    """Two copies would each have a state of their own."""
    joined = re.findall(
        rb'^modules\["([^"]+)"\] = ', anonymous.get("/app.js").content, re.MULTILINE
    )
    modules = {name.decode() for name in joined}
    alone = [
        name for name in resources.asset_names() if name.endswith(".js") and name not in modules
    ]

    assert len(joined) == len(modules)
    assert {"app.js", "lib/api.js", "lib/session.js"} <= modules
    assert {"pages/home.js", "pages/automation.js"} <= set(alone)
    for name in alone:
        for reference in re.findall(rb'from "(\.[^"]+)"', anonymous.get(f"/{name}").content):
            assert normpath(f"{name}/../{reference.decode()}") in alone, name
