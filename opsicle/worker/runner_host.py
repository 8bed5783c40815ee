"""The machine that a job runs on, as far as the runner has to know it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from opsicle.worker.artifact_spool import ArtifactSpool
from opsicle.worker.kept_workspaces import KeptWorkspaces
from opsicle.worker.os_account import OsAccount
from opsicle.worker.pausing import Ask, cannot_ask
from opsicle.worker.runtimes.protocol import GRACE_SECONDS
from opsicle.worker.runtimes.table import Runtimes


class RunnerHost(msgspec.Struct, frozen=True, kw_only=True):
    """What a runner needs to know of its machine.

    `workspace_root` holds a private folder per running job. `private_folder` is for what must not
    reach the disk (see private_files.py); None: `workspace_root`. `runtimes` are the ways to run
    phases. `account` is the user as whom the job runs; None is the worker's own. `on_clean_up` is
    called with a clean-up phase's number before anything of it runs, `on_mask` when the commands
    have named the first value to mask. `on_child` is called with process id and instance right
    after a phase has been started, so that a next run can give them to `Runtimes.sweep`.
    `artifacts` keeps the files that phases leave behind (None: nobody does), `on_artifacts` is
    called when there are more of them. `ask` asks people how a run goes on. `kept` has the
    workspaces of jobs that did not go well (None: none is kept), among them `org_id`'s, for which
    the job runs. `put_off` is handed what the job's end need not wait for (None: nothing is).
    """

    workspace_root: Path
    runtimes: Runtimes
    account: OsAccount | None = None
    private_folder: Path | None = None
    grace_seconds: float = GRACE_SECONDS
    on_child: Callable[[int, str], None] = lambda _pid, _instance: None
    on_clean_up: Callable[[int], None] = lambda _phase: None
    on_mask: Callable[[], None] = lambda: None
    artifacts: ArtifactSpool | None = None
    on_artifacts: Callable[[], None] = lambda: None
    ask: Ask = cannot_ask
    org_id: str = ""
    kept: KeptWorkspaces | None = None
    put_off: Callable[[Callable[[], None]], None] | None = None
