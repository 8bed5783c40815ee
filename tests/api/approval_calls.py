"""What the tests of who may decide do: a policy with its template, asking, approving."""

from __future__ import annotations

from tests.api.running_server import Answer, Client


def policy(alice: Client, approvers: str, name: str = "p") -> None:
    source = f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: {name}}}\n"
    source += f"spec: {{gates: [{{name: g, approvers: {approvers}}}]}}\n"
    assert alice.post("/api/v1/policies", {"source": source}).status in (200, 201)
    template = f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: careful-{name}}}
spec:
  approvalPolicy: {{policyRef: {name}}}
  template: {{phases: [{{name: act, commands: ["echo hi"]}}]}}
"""
    assert alice.post("/api/v1/templates", {"source": template}).status in (200, 201)


def ask(client: Client, name: str = "p") -> str:
    answer = client.post("/api/v1/automations", {"template": f"careful-{name}"})
    assert answer.status == 201, answer.content
    return str(answer.json["approval_id"])


def approve(client: Client, approval_id: str) -> Answer:
    return client.post(f"/api/v1/approvals/{approval_id}/approve", {})


def state(client: Client, approval_id: str) -> str:
    return str(client.get(f"/api/v1/approvals/{approval_id}").json["state"])
