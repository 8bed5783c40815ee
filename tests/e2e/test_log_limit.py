"""The longest log of a job, from the server's option to what people read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.product import Installation

pytestmark = pytest.mark.e2e

LOUD = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: loud}
spec:
  template:
    phases:
      - {name: loud, commands: ["yes 123456789 | head -c 3000000"]}
      - {name: after, commands: ["echo not in the log"]}
"""


def test_a_job_that_logs_more_than_it_may_succeeds_and_says_what_is_missing(tmp_path: Path) -> None:
    with Installation(tmp_path, server_options=("--job-log-mib", "1")) as installation:
        installation.worker("w1")
        installation.push(LOUD)
        installation.admin.cli("run", "loud", "--follow", timeout=60)
        [ran] = installation.admin.json("automations", "list")
        log = installation.admin.cli("logs", ran["id"])
        kept, dropped = 1024 * 1024, 3_000_000 + len("not in the log\n") - 1024 * 1024
        assert log[:kept] == ("123456789\n" * 110_000)[:kept]
        assert f"opsicle: the log ends here: a job may log {kept} bytes" in log[kept:]
        assert log.endswith(
            f"opsicle: {dropped} bytes more were printed, and are not in this log\n"
        )
        shown = installation.admin.json("automations", "show", ran["id"])
        assert shown["state"] == "succeeded"
        assert "limit of 1 MiB" in shown["log_remark"]
