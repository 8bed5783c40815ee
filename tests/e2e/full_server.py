"""A server with every kind of row in its database, filled as its users fill it.

It asks for nothing that the API has got since commit 10e21d6, where the test of upgrades begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.api.slack_api import TOKENS, SlackApi
from tests.e2e.people import Colleague
from tests.product import PASSWORD, Installation, User, Worker
from tests.support import wait_until
from tests.thin_api import Access, Api

OPTIONS = ("--open-orgs", "--allow-egress", "127.0.0.0/8")
SECRET = "correct-battery-horse"
WEBHOOK_KEY = "0123456789abcdef0123456789abcdef"

TWO_OF_THREE = """
apiVersion: v1
type: ApprovalPolicy
metadata: {name: two-of-three}
spec:
  gates:
    - name: approvers
      approvers: {roles: [approver], groups: [sre]}
      required: 2
      requireMfa: true
"""
ONE = """
apiVersion: v1
type: ApprovalPolicy
metadata: {name: NAME}
spec: {gates: [{name: approvers, approvers: {users: [dave@example.com]}, expiresAfter: SECONDS}]}
"""
TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: NAME}
spec:
  variables: [{id: who, type: string, default: x}, {id: password, type: secret}]
  runsOn: {labels: {site: SITE}}
  approvalPolicy: POLICY
  template:
    phases:
      - name: act
        timeout: TIMEOUT
        secrets: [key]
        commands: ['COMMAND']
"""
NOTE = 'echo "$OPSICLE_VAR_WHO $OPSICLE_SECRET_KEY $OPSICLE_VAR_PASSWORD" >> {file}'


@dataclass
class FullServer:
    """What was made. `automations` are their ids by what became of them."""

    installation: Installation
    slack: SlackApi
    folder: Path
    token: str = field(init=False)
    session: str = field(init=False)
    dave: Colleague = field(init=False)
    erin: Colleague = field(init=False)
    site_worker: Worker = field(init=False)
    lab_worker: Worker = field(init=False)
    automations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.notes = self.folder / "notes"
        """Where jobs write what they were given."""
        self.go_on = self.folder / "go-on"
        """Once this file is there, the job that runs on ends."""

    def fill(self) -> None:
        """Make everything that there can be; the server and one worker run on."""
        self.token = self.installation.access().token
        self.session = self._log_in()

        with Api(self.access(self.session)) as api:
            self._make_people(api)
            self._make_rights(api)
            self._make_orgs(api)
            self._make_channels(api)
            self._make_templates(api)
            self._make_workers(api)
            self._end_automations(api)
            self._leave_automations_open(api)

    def access(self, token: str) -> Access:
        """Return what a program needs to call the API with a token."""
        server = self.installation.server
        return Access(server.url, (server.folder / "data/ca.pem").read_text(), token)

    def _log_in(self) -> str:
        """Begin a session of Alice's: there is more that it may than an API token."""
        with Api(self.access("")) as api:
            person = {"email": "alice@example.com", "password": PASSWORD}
            return str(api.json("POST", "/api/v1/login", person)["token"])

    def _make_people(self, api: Api) -> None:
        """Make two approvers with apps, somebody with a reset link, and a failed login."""
        self.dave = self._approver(api, "dave@example.com")
        self.erin = self._approver(api, "erin@example.com")

        _create(api, "hal@example.com", "member")
        api.json("POST", "/api/v1/users/hal@example.com/reset")

        erin = User(self.folder / "erin", "erin@example.com")
        erin.password_file.write_text("not the right password")
        failed = erin.attempt(
            "login", "--server", self.installation.server.url, "--email", erin.email,
            "--password-file", str(erin.password_file),
            "--ca-fingerprint", self.installation.server.facts["ca_fingerprint"],
        )  # fmt: skip
        assert failed.returncode == 3, failed.stderr

    def _approver(self, api: Api, email: str) -> Colleague:
        """Return a new approver who is logged in and has an authenticator app."""
        _create(api, email, "approver")
        person = Colleague(self.folder / email.partition("@")[0], email)
        person.login(self.installation.server)
        return person.enrol()

    def _make_rights(self, api: Api) -> None:
        """Make a role, a group, a person's own rules, a service account, a token, an invitation."""
        rule = ["allow execute templates/plain"]
        api.json("POST", "/api/v1/roles", {"name": "restarter", "rules": rule})
        api.json("POST", "/api/v1/groups", {"name": "sre", "description": "Site reliability"})
        api.json("PUT", "/api/v1/groups/sre/members/erin@example.com")
        api.json("PATCH", "/api/v1/users/erin@example.com", {"rules": rule})
        account = api.json("POST", "/api/v1/service-accounts", {"name": "ci", "role": "operator"})
        token = {
            "name": "of-ci",
            "account": account["email"],
            "scopes": ["execute templates/plain"],
        }
        api.json("POST", "/api/v1/tokens", token)
        api.json("POST", "/api/v1/invitations", {"email": "gina@example.com", "role": "restarter"})

    def _make_orgs(self, api: Api) -> None:
        """Make an org whose admin is yet to come and a second operator; let acme share workers."""
        api.json("PATCH", "/api/v1/orgs/acme", {"allows_shared_workers": True, "name": "Acme Ltd"})
        self.installation.admin.cli("orgs", "create", "globex", "--admin", "frank@example.com")
        self.installation.admin.cli("orgs", "provider-admins", "--add", "dave@example.com")

    def _make_channels(self, api: Api) -> None:
        """Make one of each kind; link Dave's Slack account, and begin to link Erin's."""
        nowhere = "http://127.0.0.1:9/"
        kinds: list[tuple[dict[str, Any], str]] = [
            ({"kind": "webhook", "url": nowhere}, WEBHOOK_KEY),
            ({"kind": "email", "host": "127.0.0.1", "port": 9, "sender": "o@example.com"}, ""),
            ({"kind": "telegram", "base_url": nowhere}, "123456:ABC-DEF_ghijklmnop"),
            ({"kind": "slack", "base_url": self.slack.url}, TOKENS),
            ({"kind": "teams"}, nowhere),
            ({"kind": "mattermost"}, nowhere),
        ]
        for config, credential in kinds:
            api.json("POST", "/api/v1/channels", {
                "name": config["kind"], "credential": credential,
                "config": config | {"allow_networks": ["127.0.0.0/8"]},
            })  # fmt: skip

        choice = {"channel": "email", "notice": "automation_succeeded", "is_on": True}
        api.json("PUT", "/api/v1/preferences", choice)
        wait_until(lambda: self.slack.sockets, what="the connection to Slack")
        code = self.dave.json("channels", "link", "slack", "--totp", self.dave.app.code())["code"]
        self.slack.write("U1", f"link {code}")
        wait_until(lambda: self.dave.json("channels", "links"), what="the link")
        self.erin.cli("channels", "link", "slack", "--totp", self.erin.app.code())

    def _make_templates(self, api: Api) -> None:
        """Make a secret, policies and templates, one of them with a second version."""
        api.json("POST", "/api/v1/secrets", {"name": "key", "value": SECRET})
        for source in (
            TWO_OF_THREE,
            ONE.replace("NAME", "one").replace("SECONDS", "86400"),
            ONE.replace("NAME", "short").replace("SECONDS", "1"),
        ):
            api.json("POST", "/api/v1/policies", {"source": source})

        note = NOTE.format(file=self.notes)
        wait = f"until [ -e {self.go_on} ]; do sleep 0.05; done; {note}"
        self._push(api, "plain", "echo first")
        self._push(api, "plain", note)
        self._push(api, "waits", wait)
        self._push(api, "fails", "exit 3")
        self._push(api, "sleeps", "sleep 60", timeout=1)
        self._push(api, "lab", note, site="lab")
        self._push(api, "loses", "sleep 60", site="lab")
        self._push(api, "careful", note, policy="{policyRef: two-of-three}")
        self._push(api, "asks", note, policy="{policyRef: one}", site="lab")
        self._push(api, "expires", note, policy="{policyRef: short}")

    def _push(
        self, api: Api, name: str, command: str, policy: str = "none", site: str = "ams",
        timeout: int = 60,
    ) -> None:  # fmt: skip
        values = {"NAME": name, "COMMAND": command, "POLICY": policy, "SITE": site}
        source = TEMPLATE.replace("TIMEOUT", str(timeout))
        for word, value in values.items():
            source = source.replace(word, value, 1)
        api.json("POST", "/api/v1/templates", {"source": source})

    def _make_workers(self, api: Api) -> None:
        """Start one that runs on and one that stops later; make a shared one, an unused token."""

        def token(**more: Any) -> str:
            return str(api.json("POST", "/api/v1/workers/tokens", more)["token"])

        here = self.installation
        self.site_worker = here.join("site", token(labels={"site": "ams"}), None, "--slots", "4")
        self.lab_worker = here.join("lab", token(labels={"site": "lab"}))
        here.join("shared", token(is_shared=True, labels={"site": "shared"})).process.stop()
        token()

    def _end_automations(self, api: Api) -> None:
        """Let one end in each way that there is."""
        for name, template in (
            ("succeeded", "plain"), ("failed", "fails"), ("timed_out", "sleeps"),
            ("cancelled", "sleeps"), ("expired", "expires"), ("rejected", "asks"),
            ("withdrawn", "asks"), ("unknown", "loses"),
        ):  # fmt: skip
            self.run(api, name, template)
        api.json("POST", f"/api/v1/automations/{self.automations['cancelled']}/cancel")
        self.dave.cli("approvals", "reject", self.approval(api, "rejected"))
        api.json("POST", f"/api/v1/approvals/{self.approval(api, 'withdrawn')}/withdraw")

        self.wait_for(api, "unknown", "running")
        self.lab_worker.process.kill()
        self.lab_worker.start().process.stop()
        for name in self.automations:
            self.wait_for(api, name, "cancelled" if name == "withdrawn" else name)
        api.json("POST", f"/api/v1/automations/{self.automations['succeeded']}/rerun")
        api.request("GET", "/api/v1/audit/export")

    def _leave_automations_open(self, api: Api) -> None:
        """Leave one running, one queued, one approved and queued, and two awaiting approval."""
        for name, template in (
            ("running", "waits"), ("queued", "lab"), ("approved", "asks"),
            ("half-approved", "careful"), ("asked", "asks"),
        ):  # fmt: skip
            self.run(api, name, template)
        self.wait_for(api, "running", "running")
        self.dave.cli("approvals", "approve", self.approval(api, "approved"))
        self.wait_for(api, "approved", "queued")
        half = self.approval(api, "half-approved")
        self.dave.cli("approvals", "approve", half, "--totp", self.dave.app.recovery_codes.pop())
        self.wait_for(api, "half-approved", "awaiting_approval")

    def run(self, api: Api, name: str, template: str) -> None:
        """Trigger an automation, sent with a key so that it may be sent again."""
        body = {"template": template, "values": {"who": name, "password": f"hunter2-{name}"}}
        found = api.retry("POST", "/api/v1/automations", body, key=f"run-{name}")
        self.automations[name] = found["id"]

    def approval(self, api: Api, name: str) -> str:
        """Return the id of an automation's approval."""
        return str(self.show(api, name)["approval_id"])

    def show(self, api: Api, name: str) -> Any:
        """Return an automation as it is now."""
        return api.json("GET", f"/api/v1/automations/{self.automations[name]}")

    def wait_for(self, api: Api, name: str, state: str) -> None:
        """Wait until an automation is in a state."""
        wait_until(lambda: self.show(api, name)["state"] == state, 60, f"{name} to be {state}")


def _create(api: Api, email: str, role: str) -> None:
    person = {"email": email, "password": PASSWORD, "role": role, "manager": "alice@example.com"}
    api.json("POST", "/api/v1/users", person)
