"""An org as it looks after some weeks of work: what the pictures of the documentation show."""

from __future__ import annotations

import json
from pathlib import Path

from tests.browser.target_runs import TARGETS, run_on_all, run_on_targets
from tests.product import CHECKOUT, Installation, User
from tests.ssh_servers import ssh_server
from tests.support import wait_until

EXAMPLES = ("disk-report", "failing-check", "hello", "long-task")
POLICY = """apiVersion: v1
type: ApprovalPolicy
metadata: {name: production}
spec:
  order: sequential
  gates:
    - name: line-manager
      approvers: {manager: true}
    - name: operations
      approvers: {groups: [oncall]}
      requireReason: true
      expiresAfter: 14400
"""
TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata:
  name: restart-web
  labels: {env: prod}
spec:
  metadata:
    displayName: Restart the web tier
    description: >-
      Takes one site's web servers out of the load balancer, restarts them, and puts them back.
  approvalPolicy: {policyRef: production}
  runsOn: {labels: {site: fra}}
  variables:
    - {id: site, label: Site, type: enum, options: [ams, fra], default: ams}
    - id: grace
      label: Grace period
      description: Seconds until connections are cut.
      type: number
      default: 30
    - {id: pin, label: Pager PIN, type: secret, isRequired: true}
  template:
    phases:
      - name: drain
        secrets: [balancer-token]
        commands:
          - echo "draining web-$OPSICLE_VAR_SITE, $OPSICLE_VAR_GRACE s"
      - name: restart
        commands:
          - echo "systemctl restart nginx"
          - echo "curl --fail https://web-$OPSICLE_VAR_SITE.example.com/healthz"
      - name: put back
        when: always
        commands:
          - echo "putting web-$OPSICLE_VAR_SITE back"
"""
PEOPLE = {
    "bob@example.com": ("manager", "Bob Oduya", "alice@example.com"),
    "carol@example.com": ("approver", "Carol Lindt", "bob@example.com"),
    "erin@example.com": ("operator", "Erin Sato", "bob@example.com"),
    "dana@example.com": ("member", "Dana Whitfield", "bob@example.com"),
    "ravi@example.com": ("reporter", "Ravi Nair", "alice@example.com"),
}

WITH_SECRET = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: sign-report}
spec:
  template: {phases: [{name: sign, secrets: [report-key], commands: ["true"]}]}
"""


class Site:
    """Fills an installation: people, rules, secrets, and requests in every state."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.installation, self.admin, self._folder = installation, installation.admin, folder
        self.users = {"alice": self.admin}
        self.requests: dict[str, str] = {}

    def fill(self) -> None:
        self._workers()
        self._people()
        self._templates()
        self._requests()

    def _workers(self) -> None:
        self.installation.worker("edge-ams-1", None, "--label", "site=ams")
        self.installation.worker("edge-fra-1", None, "--label", "site=fra", "--slots", "8")

    def _people(self) -> None:
        for email, (role, name, manager) in PEOPLE.items():
            user = User(self._folder / name, email)
            self.admin.cli(
                "users", "create", "--email", email, "--role", role, "--name", name,
                "--manager", manager, "--password-file", str(user.password_file),
            )  # fmt: skip
            user.login(self.installation.server)
            self.users[email.partition("@")[0]] = user
        self.admin.cli("users", "update", self.admin.email, "--name", "Alice Moreau")
        self.admin.cli("groups", "create", "oncall", "--allow", "execute templates/env=prod")
        for who in ("carol@example.com", "erin@example.com"):
            self.admin.cli("groups", "add", "oncall", who)

    def _templates(self) -> None:
        self.admin.cli(
            "secrets", "create", "balancer-token", "--description", "may drain and undrain sites",
            "--value-file", self.file("token", "c2VjcmV0LXRva2Vu"),
        )  # fmt: skip
        self.admin.cli("policies", "push", self.file("policy.yaml", POLICY))
        for name in EXAMPLES:
            self.installation.push((CHECKOUT / f"examples/{name}.yaml").read_text())
        self.installation.push(TEMPLATE)

    def _requests(self) -> None:
        ask, decide = self.ask, self.decide

        done = ask("dana", "INC-4702: memory leak after the deploy", grace=30)
        decide("bob", "approve", done, "")
        decide("carol", "approve", done, "nobody is deploying")
        automation = self.admin.json("approvals", "show", done)["automation_id"]
        wait_until(lambda: self._state(automation) == "succeeded", what="the approved run")

        refused = ask("dana", "to be sure before the weekend", grace=5)
        decide("bob", "reject", refused, "not on a Friday afternoon")

        gone = ask("dana", "wrong site, sorry", grace=5)
        self.users["dana"].cli("approvals", "withdraw", gone)

        self.installation.push(TEMPLATE.replace("restart nginx", "reload-or-restart nginx"))
        waiting = ask("dana", "INC-4711: 502s from Frankfurt since 09:40", grace=60)
        decide("bob", "approve", waiting, "agreed on the phone")

        self.requests = {
            "approved": done,
            "rejected": refused,
            "withdrawn": gone,
            "second": waiting,
        }
        self.requests["first"] = ask(
            "erin", "INC-4713: the same in the other data centre", grace=60
        )

    def manage(self) -> str:
        """Add what an org has besides templates and people, one of each.

        Return the id of an automation with artifacts.
        """
        cli = self.admin.cli
        self._targets()
        cli("schedules", "push", str(CHECKOUT / "examples/schedules/nightly-report.yaml"))
        cli("triggers", "push", str(CHECKOUT / "examples/triggers/alertmanager.yaml"))
        cli(
            "channels", "create", "hooks", "--kind", "webhook",
            "--set", "url=https://127.0.0.1:9/opsicle",
            "--credential-file", self.file("key", "a-key-of-32-characters-and-more-x"),
        )  # fmt: skip
        cli("users", "invite", "--email", "frank@example.com", "--role", "operator")
        server = ("--set", "host=127.0.0.1", "--set", "port=9", "--set", "sender=ops@example.com")
        cli(
            "channels",
            "create",
            "mail",
            "--kind",
            "email",
            *server,
            "--allow-network",
            "127.0.0.0/8",
        )
        cli("users", "invite", "--email", "grace@example.com", "--role", "member", "--by-email")
        for name in ("report-key", "unused-key"):
            cli("secrets", "create", name, "--value-file", self.file("value", f"a value of {name}"))
        self.installation.push(WITH_SECRET)
        cli("run", "sign-report", "--follow")
        cli("orgs", "quota", "acme", "--automations-an-hour", "60", "--log-mib", "1")
        cli("run", "disk-report", "--at", "72h", "--reason", "before the disks are exchanged")
        self.installation.push((CHECKOUT / "examples/inventory-report.yaml").read_text())
        cli("run", "inventory-report", "--follow")
        runs = self.admin.json("automations", "list")
        return next(str(run["id"]) for run in runs if run["template"] == "inventory-report")

    def _targets(self) -> None:
        """Let templates run on targets that are this machine, and then say that they are others."""
        with ssh_server(self._folder / "sshd") as sshd:
            run_on_targets(self.installation, sshd, self._folder)
            run_on_all(self.installation, "renew-certificate")
        for name in TARGETS:
            example = (CHECKOUT / "examples/targets/web1.yaml").read_text().replace("web1", name)
            if name == "db1":
                example = example.replace("role: web", "role: db").replace("the web tier", "two")
            self.admin.cli("targets", "push", self.file("target.yaml", example))

    def ask(self, who: str, reason: str, grace: int) -> str:
        """Run restart-web as somebody; answers the id of the request."""
        values = self.file(
            "values.yaml", json.dumps({"site": "fra", "grace": grace, "pin": "4711-4711"})
        )
        run = self.users[who].json("run", "restart-web", "--reason", reason, "--var-file", values)
        requests = self.users[who].json("approvals", "list", "--whose", "asked")
        return next(str(each["id"]) for each in requests if each["automation_id"] == run["id"])

    def decide(self, who: str, verb: str, request: str, reason: str) -> None:
        self.users[who].cli("approvals", verb, request, "--reason", reason)

    def file(self, name: str, text: str) -> str:
        path = self._folder / name
        path.write_text(text)
        return str(path)

    def _state(self, automation: str) -> str:
        return str(self.admin.json("automations", "show", automation)["state"])
