"""A trigger of a real server, which is killed while it is called."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.product import Installation
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: noted}
spec:
  variables: [{id: number, type: number, isRequired: true}]
  template: {phases: [{name: act, commands: ["true"]}]}
"""

TRIGGER = """
apiVersion: v1
type: Trigger
metadata: {name: called}
spec:
  template: noted
  values: {number: {pointer: /number}}
  rate: 1000/s
"""
CALLS = 30


class Sender:
    """Sends each message again and again until it is answered, as curl does."""

    def __init__(self, installation: Installation, url: str, secret: str) -> None:
        self._ca = installation.server.folder / "data/ca.pem"
        self._url, self._secret = url, secret.encode()
        self.answers: list[str] = []

    def send_all(self) -> None:
        for number in range(CALLS):
            self.answers.append(json.loads(self.send({"number": number}))["automation"])

    def send(self, message: object) -> str:
        at, body = str(int(time.time())), json.dumps(message)
        signature = hmac.new(self._secret, f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
        done = subprocess.run(
            ["curl", "--silent", "--cacert", self._ca, "--retry", "1000", "--retry-all-errors",
             "--retry-delay", "1", "--fail-with-body", "--data", body,
             "--header", f"Opsicle-Signature: t={at},v1={signature}", self._url],
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
        return done.stdout


def test_a_server_that_is_killed_while_it_is_called_starts_one_for_each_call(
    installation: Installation, tmp_path: Path
) -> None:
    installation.push(TEMPLATE)
    (tmp_path / "called.yaml").write_text(TRIGGER)
    admin = installation.admin
    pushed, url, secret = admin.cli("triggers", "push", str(tmp_path / "called.yaml")).splitlines()
    assert pushed == "called version 1 pushed"
    sender = Sender(installation, url.removeprefix("url     "), secret.removeprefix("secret  "))

    sending = threading.Thread(target=sender.send_all)
    sending.start()
    for reached in (CALLS // 3, 2 * CALLS // 3):
        wait_until(lambda reached=reached: len(sender.answers) >= reached, 90, "answers")
        installation.server.process.kill()
        installation.server.start()
    sending.join(90)

    started = [each["id"] for each in admin.json("automations", "list", "--limit", "200")]
    assert len(started) == CALLS
    assert Counter(started) == Counter(sender.answers)
