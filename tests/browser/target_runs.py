"""Templates that ran on targets, in versions old and new, and not always well."""

from __future__ import annotations

from pathlib import Path

from tests.product import Installation
from tests.ssh_servers import SshServer

TARGETS = {"db1": "db", "web1": "web", "web2": "web", "web3": "web"}
"""Their names, and their label `role`."""

SECRET = "targets-key"

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {{name: {name}}}
spec:
  runsOn: {{targets: {{where: "role", maxFailures: 9}}}}
  template: {{phases: [{{name: act, commands: ['{command}']}}]}}
"""

NOT_ON_WEB2 = 'test "$OPSICLE_TARGET" != web2'


def run_on_targets(installation: Installation, sshd: SshServer, folder: Path) -> None:
    """Make the targets, and run `patch-packages` and `rotate-keys` on them.

    Of `patch-packages` version 2 failed on web2 and never ran on web3, where version 1 succeeded.
    `rotate-keys` ran on web1 and web2 alone.
    """
    admin = installation.admin
    secret = folder / SECRET
    secret.write_text(sshd.key)
    admin.cli("secrets", "create", SECRET, "--value-file", str(secret))
    for name, role in TARGETS.items():
        admin.cli(
            "targets", "create", name, "--host", "127.0.0.1", "--port", str(sshd.port),
            "--user", sshd.user, "--secret", SECRET, "--host-key", sshd.host_key,
            "--label", f"role={role}",
        )  # fmt: skip
    run_on_all(installation, "patch-packages")
    only = TEMPLATE.replace("where", "names").replace('"role"', "[web1, web2]")
    installation.push(only.format(name="rotate-keys", command="true"))
    admin.cli("run", "rotate-keys", "--follow")
    installation.push(only.format(name="patch-packages", command=NOT_ON_WEB2.replace("'", '"')))
    admin.attempt("run", "patch-packages", "--follow")


def run_on_all(installation: Installation, template: str) -> None:
    installation.push(TEMPLATE.format(name=template, command="true"))
    installation.admin.cli("run", template, "--follow")


def remove_targets(installation: Installation) -> None:
    for target in installation.admin.json("targets", "list"):
        installation.admin.cli("targets", "delete", target["name"])
    installation.admin.cli("secrets", "delete", SECRET)
