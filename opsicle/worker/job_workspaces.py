"""The workspace of a job: made or taken over before its phases run, and kept after them."""

from __future__ import annotations

from opsicle.domain.files import FOLDER
from opsicle.domain.resume_points import KeptWorkspace
from opsicle.wire.jobs import Work
from opsicle.worker.input_files import place
from opsicle.worker.job_result import JobResult
from opsicle.worker.kept_workspaces import CannotTakeOver, KeptWorkspaceRecord
from opsicle.worker.output import now_ms
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.workspace import Workspace, remove_folder


def prepare_workspace(work: Work, host: RunnerHost, workspace: Workspace) -> str:
    """Make a job's workspace, or take over the one that another job has left, with its files.

    Returns why it could not be made, or an empty string.
    """
    kept = work.resumed_from.workspace if work.resumed_from else None
    try:
        if kept is None:
            workspace.make()
        else:
            _take_over(kept, work, host, workspace)
        if work.files:
            place(work, workspace.path, host.account)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        return f"the workspace could not be made: {reason}"
    except CannotTakeOver as problem:
        return str(problem)
    return ""


def keep_workspace(work: Work, host: RunnerHost, workspace: Workspace, result: JobResult) -> bool:
    """Keep the workspace of a job that did not go well, where its template says so.

    Until when is in the result then. False if it is to be removed.
    """
    seconds, kept = work.keep_workspace, host.kept
    if seconds is None or kept is None or result.has_succeeded or result.is_unknown:
        return False

    workspace.remove_siblings()
    record = KeptWorkspaceRecord(
        job_id=work.job_id,
        org_id=host.org_id,
        template=work.template,
        kept_until_ms=now_ms() + 1000 * seconds,
        size=0,
    )
    if not kept.keep(workspace.path, record):
        return False
    result.kept_until_ms = record.kept_until_ms
    return True


def _take_over(kept: KeptWorkspace, work: Work, host: RunnerHost, workspace: Workspace) -> None:
    """Go on in the workspace that another job has left. Raises CannotTakeOver."""
    if host.kept is None:
        raise CannotTakeOver("this worker keeps no workspaces")
    host.kept.take_over(kept.job_id, host.org_id, work.template, host.account, workspace.path)
    # The files that it is given come anew: those that were left may have been changed.
    if problem := remove_folder(workspace.path / FOLDER):
        raise CannotTakeOver(problem)
