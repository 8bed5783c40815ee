"""A real server that is set back to a copy of its data, with a worker that is not."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.processes import clean_environment, program
from tests.product import CHECKOUT, Installation, Process
from tests.support import wait_until
from tests.thin_api import Api

GUIDE = (CHECKOUT / "docs/operations/backup-and-restore.md").read_text()
NOTHING: Mapping[str, object] = {}
TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: act}
spec:
  variables: [{id: judge, type: string, isRequired: true}, {id: go, type: string, default: /}]
  onWorkerLost: requeue
  template:
    phases:
      - name: act
        commands:
          - echo "$OPSICLE_AUTOMATION_ID" >> "$OPSICLE_VAR_JUDGE"
          - until [ -e "$OPSICLE_VAR_GO" ]; do sleep 0.1; done
"""


class Site:
    """A server with a worker, and a judge that no restore sets back."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.installation = installation
        self.server = installation.server
        self.data = self.server.folder / "data"
        self.judge, self.go = folder / "judge", folder / "go"
        self.backup, self.passphrase_file = folder / "opsicle.age", folder / "passphrase"
        self.passphrase_file.write_text("correct horse battery")
        self.litestream = self.litestream_config = Path()
        self.judge.touch()
        installation.push(TEMPLATE)
        self.worker = installation.worker("w1", None, "--slots", "3")
        self.access = installation.access()

    def run(self, template: str = "act", **values: str) -> str:
        with Api(self.access) as api:
            request = {"template": template, "values": {"judge": str(self.judge), **values}}
            return str(api.retry("POST", "/api/v1/automations", request)["id"])

    def show(self, automation: str) -> dict[str, Any]:
        with Api(self.access) as api:
            return dict(api.retry("GET", f"/api/v1/automations/{automation}"))

    def wait_for(self, automation: str, *states: str) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            found = self.show(automation)
            return found if found["state"] in states else None

        return wait_until(there, 60, f"{automation} to be {states}")

    def ran(self, automation: str) -> int:
        return self.judge.read_text().split().count(automation)

    def record(self, verb: str) -> list[dict[str, Any]]:
        with Api(self.access) as api:
            return list(api.retry("GET", f"/api/v1/audit?verb={verb}&limit=200")["items"])

    def copy(self, to: Path) -> Path:
        assert self.server.process.stop() == 0
        shutil.copytree(self.data, to)
        return to

    def restore(self, source: Path) -> None:
        shutil.rmtree(self.data)
        shutil.copytree(source, self.data)

    def do_documented(
        self, beginning: str, guide: str = GUIDE, also: Mapping[str, object] = NOTHING
    ) -> str:
        """Run the command of a guide, that to backups unless told, that begins so, on this site.

        `also`: what stands for something else here, beside the paths. Returns what it printed.
        """
        (command,) = re.findall(rf"^{re.escape(beginning)}.*$", guide, re.MULTILINE)
        for theirs, ours in (
            *also.items(),
            ("/var/backups/opsicle.age", self.backup),
            ("ssh backup@vault", f"env -C {self.backup.parent} sh -c"),
            ("/etc/opsicle/backup-passphrase", self.passphrase_file),
            ("/var/lib/opsicle", self.data),
            ("/etc/litestream.yml", self.litestream_config),
            ("litestream restore", f"{self.litestream} restore"),
        ):
            command = command.replace(theirs, str(ours))
        opsicle = f'opsicle() {{ {shlex.join(program())} "$@"; }}\n'
        there = {"OPSICLE_BACKUP_DATA_DIR": str(self.data)}
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", opsicle + command],
            env=clean_environment(self.installation.admin.environment | there),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def start(self, *options: str) -> dict[str, Any]:
        self.server.options = options
        self.keep_ports()
        self.server.start()
        return dict(self.server.facts)

    def refused(self) -> str:
        """Return what a server says that does not start."""
        arguments = self.server.process.arguments
        process = Process(arguments, self.server.folder, "refused", is_warm=True)
        try:
            assert process.popen.wait(60) == 5, process.log()
        finally:
            process.kill()
        return process.log()

    def keep_ports(self) -> None:
        """Write `server.json`, which a copy has not: the server starts at the same ports again."""
        (self.data / "server.json").write_text(json.dumps(self.addresses))

    def note_ports(self) -> None:
        self.addresses = dict(self.server.facts)
