"""What a phase's shell is started with, in whatever runtime: arguments, folder, environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePath

from opsicle.domain.secrets import secret_environment_name
from opsicle.domain.templates import Phase
from opsicle.wire.jobs import Work
from opsicle.worker.input_files import file_environment
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.script import Script, is_posix_shell
from opsicle.worker.workspace import Workspace

_LONGEST_ARGUMENT = 100_000  # bytes; the kernel takes 128 KiB (MAX_ARG_STRLEN)


def shell_arguments(phase: Phase, script: Script, workspace: Workspace) -> list[bytes]:
    """Return the command that runs a phase's script; a long one is put into a file."""
    shell = phase.shell.encode()
    if not is_posix_shell(phase.shell):
        return [shell, os.fsencode(workspace.write_script(script.text))]
    if len(script.text) > _LONGEST_ARGUMENT:
        return [shell, b"-e", os.fsencode(workspace.write_script(script.text))]

    return [
        shell,
        b"-e",
        b"-c",
        script.text,
        phase.name.encode(),
    ]  # the name is $0: messages begin with it


def folder_of(phase: Phase, workspace: Workspace) -> Path:
    """Return where a phase starts. Raises CannotStart, or ValueError saying why it cannot."""
    try:
        return workspace.folder_for(phase.working_directory)
    except OSError as problem:
        raise CannotStart(
            f"the workspace is gone and cannot be made anew: {problem.strerror}"
        ) from None


def phase_environment(
    work: Work,
    phase: int,
    base: Mapping[str, str],
    workspace: PurePath,
    private: Mapping[str, str],
    outputs: Mapping[str, str],
) -> dict[str, str]:
    """Return the whole environment of a phase, as the template format promises it.

    What tells of the job always wins. `workspace` is where the phase finds it.

    `private` are the variables that name its private files, `outputs` what earlier phases have
    handed on.
    """
    return {
        **base,
        **work.environment,
        **file_environment(work.files, workspace),
        **work.phases[phase].env,
        **work.secret_environment,
        **private,
        **outputs,
        **{
            secret_environment_name(name): work.secret_values[name]
            for name in work.phases[phase].secrets
        },
        "OPSICLE_AUTOMATION_ID": work.automation_id,
        "OPSICLE_JOB_ID": work.job_id,
        "OPSICLE_TEMPLATE": work.template,
        "OPSICLE_PHASE": work.phases[phase].name,
        "OPSICLE_REQUESTER": work.requester,
        "OPSICLE_WORKSPACE": str(workspace),
        **({"OPSICLE_TARGET": work.target.name} if work.target else {}),
    }
