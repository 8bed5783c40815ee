"""What people get of the files that jobs left behind, and in which wrapping."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.contents.content_store import PIECE_BYTES
from opsicle.server.http.app import MAX_REQUESTS_PER_USER
from opsicle.wire.user_api import RunRequest
from opsicle.wire.worker_api import MAX_ARTIFACT_BYTES, ArtifactRequest
from tests.api.running_server import ApiServer, Client
from tests.api.test_templates import source

HOSTILE = b"""<!doctype html><meta http-equiv=refresh content="0;url=https://evil.example/">
<LINK rel=preconnect href=https://evil.example><script>alert(1)</script><b>report</b>"""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def left(api_server: ApiServer, content: bytes, path: str) -> str:
    """Return the id of an artifact of acme."""
    actor = api_server.actor("alice@example.com")
    api_server.services.templates.push(actor, source("leaves"))
    api_server.services.automations.create(actor, RunRequest(template="leaves"), "")
    worker, (work,) = api_server.poll(api_server.worker("acme", f"w-{path}"))
    api_server.services.jobs.start(worker, work.job_id, work.fence)
    request = ArtifactRequest(
        fence=work.fence,
        phase=0,
        path=path,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        data=content,
    )
    assert api_server.services.job_artifacts.receive(worker, work.job_id, request).is_settled
    shown = api_server.services.automations.get(actor, work.automation_id)
    return shown.artifacts[0].id


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    return api_server.session("alice@example.com")


def test_a_download_is_saved_and_never_opened(api_server: ApiServer, alice: Client) -> None:
    artifact_id = left(api_server, HOSTILE, 'out/r"e;p\u00f6rt.html')

    answer = alice.get(f"/api/v1/artifacts/{artifact_id}")

    assert answer.content == HOSTILE
    assert answer.headers["Content-Type"] == "application/octet-stream"
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''r%22e%3Bp%C3%B6rt.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["ETag"] == f'"{hashlib.sha256(HOSTILE).hexdigest()}"'


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=0-99", 206, b"0123456789"),
        ("bytes=10-", 416, b""),
        ("bytes=5-4", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=1-2,4-5", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
def test_a_part_can_be_asked_for(
    api_server: ApiServer, alice: Client, asked: str, status: int, content: bytes
) -> None:
    artifact_id = left(api_server, b"0123456789", "digits")

    answer = alice.call("GET", f"/api/v1/artifacts/{artifact_id}", None, Range=asked)

    assert (answer.status, answer.content) == (status, content)
    if status == 206:
        start = b"0123456789".index(content)
        expected = f"bytes {start}-{start + len(content) - 1}/10"
        assert answer.headers["Content-Range"] == expected
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */10"


def test_a_part_of_what_was_another_file_is_not_given(api_server: ApiServer, alice: Client) -> None:
    path = f"/api/v1/artifacts/{left(api_server, b'0123456789', 'digits')}"

    answer = alice.call("GET", path, None, Range="bytes=2-4", **{"If-Range": '"another"'})

    assert (answer.status, answer.content) == (200, b"0123456789")


def test_a_large_picture_is_never_in_memory_as_a_whole(
    api_server: ApiServer, alice: Client
) -> None:
    content = PNG + bytes(MAX_ARTIFACT_BYTES - len(PNG))
    artifact_id = left(api_server, content, "large.png")

    pieces = list(alice.stream(f"/api/v1/artifacts/{artifact_id}/view"))

    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE_BYTES < len(content)


def test_who_takes_answers_slowly_has_a_share_and_leaves_room_for_others(
    api_server: ApiServer, alice: Client
) -> None:
    path = f"/api/v1/artifacts/{left(api_server, b'0123456789', 'digits')}"
    bob = api_server.person("acme", "bob", BuiltInRole.OPERATOR)
    slow = [alice.stream(path) for _ in range(MAX_REQUESTS_PER_USER)]
    began = [next(answer) for answer in slow]

    refused = alice.get(path)
    of_bob = bob.get(path)
    del began, slow[0]

    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert of_bob.status == alice.get(path).status == 200


def test_who_asks_for_the_head_of_a_file_leaves_nothing_open(
    api_server: ApiServer, alice: Client
) -> None:
    path = f"/api/v1/artifacts/{left(api_server, b'0123456789', 'digits')}"
    alice.call("HEAD", path)
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(3):
        assert alice.call("HEAD", path).status == 200

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_html_is_shown_where_it_can_do_nothing(api_server: ApiServer, alice: Client) -> None:
    artifact_id = left(api_server, HOSTILE, "report.html")

    answer = alice.get(f"/api/v1/artifacts/{artifact_id}/view")

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in policy
    assert "script" not in policy
    assert b"<b>report</b>" in answer.content
    lowered = answer.content.lower()
    assert not any(tag in lowered for tag in (b"<link", b"<meta"))


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.png", PNG, "image/png"),
        ("a.html", PNG, "image/png"),
        ("a.svg", b"<svg onload=alert(1)>", "text/plain; charset=utf-8"),
        ("a.txt", b"<script>", "text/plain; charset=utf-8"),
        ("a.png", b"<script>", "text/plain; charset=utf-8"),
        ("a.html", b"\xff\xfe<\x80", "text/plain; charset=utf-8"),
        ("a.bin", b"\0\1\2", None),
        ("a.html", b"\xff\xfe<\0l\0i\0n\0k\0", None),
    ],
)
def test_a_file_is_shown_as_what_it_is(
    api_server: ApiServer, alice: Client, path: str, content: bytes, kind: str | None
) -> None:
    artifact_id = left(api_server, content, path)

    answer = alice.get(f"/api/v1/artifacts/{artifact_id}/view")

    if kind is None:
        assert answer.code == "conflict"
    else:
        assert answer.headers["Content-Type"] == kind


def test_who_may_not_see_it_cannot_tell_an_artifact_from_none(
    api_server: ApiServer, alice: Client
) -> None:
    artifact_id = left(api_server, b"ours", "r")
    absent = "0" * len(artifact_id)
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    alice.patch("/api/v1/users/bob@example.com", {"rules": ["deny manage templates/leaves"]})
    gina = api_server.session("gina@example.com")

    for client in (bob, gina):
        for path in ("", "/view"):
            hidden = client.get(f"/api/v1/artifacts/{artifact_id}{path}")
            none = client.get(f"/api/v1/artifacts/{absent}{path}")

            assert hidden.status == none.status == 404
            same = hidden.content.replace(artifact_id.encode(), absent.encode())
            assert same == none.content
