"""A stand-in for Slack.

The four methods of its Web API that we use, and Socket Mode over a WebSocket.

It is written after Slack's documentation; the WebSocket itself is the library `websockets`'s, not
ours.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from tests.support import wait_until

APP_TOKEN, BOT_TOKEN = "xapp-1-A0123-456-abcdef", "xoxb-123-456-abcdef"
TOKENS = f"{APP_TOKEN} {BOT_TOKEN}"
PATIENCE = 60
"""A hang guard, in seconds: Slack's stand-in says what it says at once."""


@dataclass
class Call:
    """One call of the Web API."""

    method: str
    token: str
    body: dict[str, Any]
    user_agent: str


@dataclass
class SlackApi:
    """The workspace, and what people do there.

    Each thing they do returns the id of its envelope.
    """

    url: str = ""
    socket_url: str = ""
    calls: list[Call] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[str, Any] = field(default_factory=dict)
    sockets: list[ServerConnection] = field(default_factory=list)
    tickets: set[str] = field(default_factory=set)
    triggers: set[str] = field(default_factory=set)
    sent: int = 0
    ended: int = 0

    @property
    def is_left(self) -> bool:
        """Whether every connection that was opened has ended."""
        return self.ended == len(self.sockets)

    def answer(self, call: Call) -> dict[str, Any]:
        """Return what Slack answers to a call."""
        self.calls.append(call)
        wanted = APP_TOKEN if call.method == "apps.connections.open" else BOT_TOKEN
        if error := self.refusals.get(call.method) or (
            "" if call.token == wanted else "invalid_auth"
        ):
            return {"ok": False, "error": error}
        if call.method == "apps.connections.open":
            ticket = f"t{len(self.calls)}"
            self.tickets.add(ticket)
            return {"ok": True, "url": f"{self.socket_url}/link/?ticket={ticket}"}
        if call.method == "views.open":
            is_known = call.body["trigger_id"] in self.triggers
            self.triggers.discard(call.body["trigger_id"])
            return {"ok": is_known, "error": "expired_trigger_id"}
        return {"ok": call.method == "chat.postMessage", "error": "unknown_method"}

    def hold(self, socket: ServerConnection) -> None:
        """Serve a connection of Socket Mode, from its beginning to its end."""
        assert socket.request
        (ticket,) = parse_qs(urlsplit(socket.request.path).query)["ticket"]
        if ticket not in self.tickets:
            return
        self.tickets.remove(ticket)
        socket.send(json.dumps({"type": "hello", "num_connections": 1}))
        self.sockets.append(socket)
        try:
            for text in socket:
                answer = json.loads(text)
                self.acknowledged[answer["envelope_id"]] = answer.get("payload")
        except ConnectionClosed:
            pass
        finally:
            self.ended += 1

    def send(self, kind: str, payload: dict[str, Any]) -> str:
        """Return an envelope over the newest connection."""
        self.sent += 1
        envelope_id = f"e{self.sent}"
        envelope = {
            "type": kind,
            "envelope_id": envelope_id,
            "payload": payload,
            "accepts_response_payload": True,
        }
        self.sockets[-1].send(json.dumps(envelope))
        return envelope_id

    def press(self, user: str, button: dict[str, Any]) -> str:
        trigger = f"trigger-{self.sent}"
        self.triggers.add(trigger)
        actions = [
            {"type": "button", "action_id": button["action_id"], "value": button.get("value")}
        ]
        payload = {
            "type": "block_actions",
            "user": {"id": user},
            "trigger_id": trigger,
            "actions": actions,
        }
        return self.send("interactive", payload)

    def fill_in(self, user: str, dialog: dict[str, Any], **values: str) -> str:
        """Send off a dialog; its fields are named by their blocks."""
        inputs = [block for block in dialog["blocks"] if block["type"] == "input"]
        state = {
            block["block_id"]: {
                block["element"]["action_id"]: {"value": values.get(block["block_id"])}
            }
            for block in inputs
        }

        assert all(block["optional"] or values.get(block["block_id"]) for block in inputs), (
            "Slack would not send it"
        )

        view = {
            "callback_id": dialog["callback_id"],
            "private_metadata": dialog["private_metadata"],
        }
        payload = {
            "type": "view_submission",
            "user": {"id": user},
            "view": {**view, "state": {"values": state}},
        }

        return self.send("interactive", payload)

    def write(self, user: str, text: str, **more: str) -> str:
        """Write to the app alone."""
        event = {
            "type": "message",
            "channel_type": "im",
            "channel": f"D{user}",
            "user": user,
            "text": text,
            **more,
        }
        return self.send("events_api", {"type": "event_callback", "event": event})

    def disconnect(self, reason: str) -> None:
        self.sockets[-1].send(json.dumps({"type": "disconnect", "reason": reason}))

    def posted(self, room: str) -> list[dict[str, Any]]:
        """Return what was posted to a room so far."""
        posts = [call.body for call in self.calls if call.method == "chat.postMessage"]
        return [post for post in posts if post["channel"] == room]

    def dialogs(self) -> list[dict[str, Any]]:
        """Return the dialogs that were opened so far."""
        return [call.body["view"] for call in self.calls if call.method == "views.open"]


def text_in(post: dict[str, Any]) -> str:
    """Return what a message shows."""
    return "".join(block["text"]["text"] for block in post["blocks"] if block["type"] == "section")


def buttons_in(post: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its buttons by their labels."""
    rows = [block["elements"] for block in post["blocks"] if block["type"] == "actions"]
    return {button["text"]["text"]: button for row in rows for button in row}


@contextmanager
def slack_api() -> Iterator[SlackApi]:
    """Run the stand-in, listening."""
    api = SlackApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"])).decode()
            is_json = self.headers["Content-Type"].startswith("application/json")
            body = json.loads(content) if is_json else dict(parse_qsl(content))
            token = self.headers["Authorization"].removeprefix("Bearer ")
            call = Call(self.path.removeprefix("/api/"), token, body, self.headers["User-Agent"])
            answer = json.dumps(api.answer(call)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output clean."""

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sockets = serve(api.hold, "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{web.server_port}/api"
    api.socket_url = f"ws://127.0.0.1:{sockets.socket.getsockname()[1]}"
    with web, _running(web), _running(sockets):
        try:
            yield api
        finally:
            for socket in api.sockets:
                socket.close()


@contextmanager
def _running(server: ThreadingHTTPServer | Server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def wait_for_answer(api: SlackApi, envelope_id: str) -> Any:
    """Return what came back for an envelope."""
    wait_until(lambda: envelope_id in api.acknowledged)
    return api.acknowledged[envelope_id]
