"""Channels as the tests make and drive them."""

from __future__ import annotations

import json
import socket
from typing import Any

from opsicle.domain.automations import JobState
from opsicle.domain.notices import Notice, NoticeKind
from opsicle.kit.ids import new_id
from opsicle.wire.jobs import Outcome
from opsicle.wire.user_api import RunRequest
from opsicle.wire.worker_api import FinishRequest
from tests.api.receivers import LOOPBACK, MailServer, WebhookReceiver
from tests.api.running_server import ApiServer, Client
from tests.api.slack_api import TOKENS, SlackApi
from tests.api.test_templates import source

KEY = "0123456789abcdef0123456789abcdef"
PASSWORD = "a-mail-password"


def make_webhook(client: Client, url: str, name: str = "hooks", **more: Any) -> Any:
    config = {"kind": "webhook", "url": url, "allow_networks": LOOPBACK}
    answer = client.post(
        "/api/v1/channels", {"name": name, "config": config, "credential": KEY, **more}
    )
    assert answer.status == 201, answer.content
    return answer.json


def make_email(
    client: Client, server: MailServer, ca_pem: str, name: str = "mail", **more: Any
) -> Any:
    config = {
        "kind": "email",
        "host": "localhost",
        "port": server.port,
        "sender": "opsicle@example.com",
        "username": "opsicle",
        "ca_pem": ca_pem,
        "allow_networks": LOOPBACK,
        **more,
    }
    answer = client.post(
        "/api/v1/channels", {"name": name, "config": config, "credential": PASSWORD}
    )
    assert answer.status == 201, answer.content
    return answer.json


def make_slack(api_server: ApiServer, api: SlackApi) -> Client:
    """Make the channel `slack` as Alice, who is returned."""
    alice = api_server.session("alice@example.com")
    config = {"kind": "slack", "base_url": api.url, "allow_networks": LOOPBACK}

    made = alice.post("/api/v1/channels", {"name": "slack", "config": config, "credential": TOKENS})

    assert made.status == 201, made.content
    return alice


def post_notice(
    api_server: ApiServer, *people: str, subject: str = "Please decide", **more: Any
) -> None:
    """Post a notice to people of acme that is about no approval."""
    actors = [api_server.actor(person) for person in people]
    org_id = api_server.actor("alice@example.com").org_id
    recipients = tuple(actor.user_id for actor in actors)
    kind = more.pop("kind", NoticeKind.APPROVAL_REQUESTED)
    notice = Notice(kind=kind, org_id=org_id, recipients=recipients, subject=subject, **more)
    api_server.state.write(lambda db: api_server.services.outbox.post(db, notice))


def ask(
    admin: Client,
    requester: Client,
    gate: str = "",
    commands: tuple[str, ...] = ("nginx -t",),
    **more: Any,
) -> Any:
    """Let somebody run a template whose policy asks their manager, or whom `gate` names.

    The automation.
    """
    gates = gate or "{name: boss, approvers: {manager: true}}"
    policy = (
        f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: p}}\nspec: {{gates: [{gates}]}}\n"
    )
    assert admin.post("/api/v1/policies", {"source": policy}).status in (200, 201)
    template = f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: restart-web}}
spec:
  approvalPolicy: {{policyRef: p}}
  variables: [{{id: service, type: string, default: nginx}}, {{id: password, type: secret}}]
  template:
    phases: [{{name: check, commands: {json.dumps(commands)}}}]
"""
    pushed = admin.post("/api/v1/templates", {"source": template})
    assert pushed.status in (200, 201), pushed.content
    values = {"password": "hunter2-hunter2", **more.pop("values", {})}
    run = {"template": "restart-web", "reason": "it hangs", "values": values, **more}
    answer = requester.post("/api/v1/automations", run)
    assert answer.status == 201, answer.content
    return answer.json


def entries(admin: Client, verb: str) -> list[Any]:
    """Return the audit's entries of one verb, newest first."""
    return [
        entry
        for entry in admin.get("/api/v1/audit?limit=200").json["items"]
        if entry["verb"] == verb
    ]


def deliver(api_server: ApiServer) -> None:
    """Make all attempts that are due now."""
    api_server.services.delivery.turn()
    assert api_server.services.delivery.wait(60)


def deliveries(client: Client, query: str = "") -> Any:
    answer = client.get(f"/api/v1/deliveries{query}")
    assert answer.status == 200, answer.content
    return answer.json["items"]


def dead_webhook(client: Client, name: str = "dead") -> Any:
    """Return a webhook where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    return make_webhook(client, f"http://127.0.0.1:{port}/", name)


def revive(receiver: WebhookReceiver) -> dict[str, Any]:
    """Return what changes a channel so that it leads to a receiver."""
    return {
        "config": {"kind": "webhook", "url": receiver.url, "allow_networks": LOOPBACK},
        "credential": KEY,
    }


def finish_one(
    api_server: ApiServer,
    reason: str = "",
    state: JobState = JobState.SUCCEEDED,
    by: str = "alice@example.com",
) -> str:
    """Let an automation of Alice's, or of somebody else's, be carried out by a worker of acme.

    Its id.
    """
    actor = api_server.actor(by)
    api_server.services.templates.push(api_server.actor("alice@example.com"), source("restart-web"))
    automation = api_server.services.automations.create(
        actor, RunRequest(template="restart-web", reason=reason), ""
    )
    enrolment = api_server.worker("acme", f"w-{new_id(api_server.clock.now())}")
    worker, (work,) = api_server.poll(enrolment)
    api_server.services.jobs.start(worker, work.job_id, work.fence)
    outcome = Outcome(state=state, phases=[])
    api_server.services.jobs.finish(
        worker, work.job_id, FinishRequest(fence=work.fence, outcome=outcome, log_bytes=0)
    )
    return automation.id
