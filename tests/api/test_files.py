"""Uploads by HTTP, and what people are told of a file that they are to agree to."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.channel_setup import dead_webhook
from tests.api.running_server import Answer, ApiServer, Client

CONTENT = b"<script>alert(1)</script>"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
GATE = "{name: g, approvers: {roles: [admin]}, allowRequester: true}"
LOAD = f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: load}}
spec:
  approvalPolicy: {{spec: {{gates: [{GATE}]}}}}
  variables: [{{id: page, type: file}}]
  template: {{phases: [{{name: load, commands: ["true"]}}]}}
"""


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    return api_server.session("alice@example.com")


def send(client: Client, query: str, kind: str = "application/octet-stream") -> Answer:
    environ: dict[str, Any] = {
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(CONTENT)),
        "wsgi.input": io.BytesIO(CONTENT),
    }
    return Client(client.application, client.headers, environ=environ).post(f"/api/v1/files{query}")


def run_with_file(client: Client, name: str) -> Any:
    uploaded = send(client, f"?name={quote(name)}")
    assert uploaded.status == 201, uploaded.content
    answer = client.post(
        "/api/v1/automations", {"template": "load", "values": {"page": uploaded.json["id"]}}
    )
    assert answer.status == 201, answer.content
    return answer.json


@pytest.mark.parametrize(
    ("query", "kind", "said"),
    [
        ("?name=a", "application/json", "application/octet-stream"),
        ("?name=a", "multipart/form-data", "application/octet-stream"),
        ("", "application/octet-stream", "must have a name"),
        ("?name=a&name=b", "application/octet-stream", "more than once"),
        ("?name=..%2Fa", "application/octet-stream", "without folders"),
        ("?name=a%00", "application/octet-stream", "cannot be seen"),
        ("?name=%FF", "application/octet-stream", "query string cannot be read"),
        ("?nom=a", "application/octet-stream", "not known here"),
    ],
)
def test_what_is_no_upload_is_refused_with_its_reason(
    alice: Client, query: str, kind: str, said: str
) -> None:
    answer = send(alice, query, kind)

    assert answer.status == 400
    assert said in answer.content.decode()


def test_a_file_is_downloaded_as_bytes_that_no_browser_opens(
    api_server: ApiServer, alice: Client
) -> None:
    api_server.services.templates.push(api_server.actor("alice@example.com"), LOAD)
    [file] = run_with_file(alice, 'é "x".html')["files"]

    answer = alice.get(f"/api/v1/files/{file['id']}")

    assert answer.content == CONTENT
    assert answer.headers["Content-Type"] == "application/octet-stream"
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''%C3%A9%20%22x%22.html"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["ETag"] == f'"{DIGEST}"'
    assert alice.call("GET", f"/api/v1/files/{file['id']}", Range="bytes=1-6").content == b"script"


def test_whoever_is_asked_by_message_is_told_name_size_and_digest(
    api_server: ApiServer, alice: Client
) -> None:
    api_server.services.templates.push(api_server.actor("alice@example.com"), LOAD)
    dead_webhook(alice)

    made = run_with_file(alice, "page.html")

    [(facts,)] = api_server.state.read(
        lambda db: list(
            db.execute(
                "SELECT facts FROM deliveries WHERE automation_id = ? AND approval_id != ''",
                (made["id"],),
            )
        )
    )
    text = f"page=sha256:{DIGEST}, {len(CONTENT)} bytes, page.html"
    assert text in json.dumps(json.loads(facts), ensure_ascii=False)
    approval = alice.get(f"/api/v1/approvals/{made['approval_id']}").json
    assert approval["files"] == made["files"]
