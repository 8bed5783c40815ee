"""A file as work for the runner right here, or why it cannot run without a server."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from opsicle.cli.documents import read_document
from opsicle.cli.terminal import has_person
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.fan_outs import FanOutKind
from opsicle.domain.files import input_files
from opsicle.domain.pauses import kind_of
from opsicle.domain.secrets import masked, named_secrets, only_secret
from opsicle.domain.template_parser import AutomationDocument
from opsicle.domain.templates import Phase, Template, Value, Variable, VariableType
from opsicle.domain.variables import check_values, environment
from opsicle.domain.workers import CONTAINER, KUBERNETES, SLURM, runtime_of
from opsicle.kit.ids import new_id
from opsicle.wire.jobs import Work
from opsicle.worker.runtimes.known import known_runtimes
from opsicle.worker.runtimes.table import Runtimes


def prepare(
    path: Path,
    read_values: Callable[[Sequence[Variable]], dict[str, Value]],
    read_secrets: Callable[[Sequence[str]], dict[str, str]],
) -> tuple[list[Work], dict[str, Value]]:
    """Return the file as work for the runner, and the values that it runs with, secret ones masked.

    What it plans comes first. Raises InvalidInput for mistakes in the file or the values, and for
    what cannot run here.
    """
    document = read_document(path)
    if not isinstance(document, Template | AutomationDocument):
        raise InvalidInput(
            f"{path} is no template, so there is nothing to run",
            hint="`opsicle policies push` takes a policy; schedules, triggers and targets have "
            "commands of their own.",
        )
    _refuse_what_cannot_run(path, document)

    variables = document.variables if isinstance(document, Template) else ()
    values = check_values(variables, read_values(variables))
    plan = document.plan if isinstance(document, Template) else ()
    secrets = read_secrets(named_secrets((*plan, *document.phases)))

    work = _work(document, variables, values, secrets)
    if not plan:
        return [work], masked(variables, values)

    planned = msgspec.structs.replace(
        work,
        job_id=new_id(datetime.now(UTC)),
        phases=plan,
        is_plan=True,
        secret_values={name: secrets[name] for name in named_secrets(plan)},
    )
    return [planned, work], masked(variables, values)


def _work(
    document: Template | AutomationDocument,
    variables: Sequence[Variable],
    values: dict[str, Value],
    secrets: dict[str, str],
) -> Work:
    """Return what comes after the plan, as a server would hand it out."""
    not_secret = [each for each in variables if each.type is not VariableType.SECRET]
    return Work(
        automation_id=new_id(datetime.now(UTC)),
        job_id=new_id(datetime.now(UTC)),
        fence=1,
        template=document.name,
        requester=_user_name(),
        phases=document.phases,
        environment=environment(not_secret, values),
        secret_environment=environment(variables, only_secret(variables, values)),
        secret_values={name: secrets[name] for name in named_secrets(document.phases)},
        volume_mounts=document.volume_mounts,
        timeout=document.timeout if isinstance(document, Template) else None,
        files=input_files(variables, values),
    )


def _user_name() -> str:
    """Return who runs this; in a container that may be only a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return f"uid-{os.geteuid()}"


def runtimes_for(phases: Sequence[Phase]) -> Runtimes:
    """Return the runtimes that these phases need, as far as they are available.

    No other one is asked.
    """
    needed = {runtime_of(phase) for phase in phases if not phase.is_waiting}
    return Runtimes(runtime for runtime in known_runtimes() if runtime.kind in needed)


def _refuse_what_cannot_run(path: Path, document: Template | AutomationDocument) -> None:
    root = "spec" if isinstance(document, AutomationDocument) else "spec.template"
    problems = _needs_server(document) if isinstance(document, Template) else []
    if isinstance(document, Template) and document.approval_policy is not None:
        problems.append(
            Problem(
                "spec.approvalPolicy", "`run FILE` asks nobody; push it, and run it on the server"
            )
        )

    problems += [
        Problem(
            f"{root}.phases[{i}].call",
            f"phase {phase.name} calls other templates, which a server has; "
            "push them, and run it there",
        )
        for i, phase in enumerate(document.phases)
        if phase.calls
    ]
    problems += _unanswerable(root, document.phases)

    plan = document.plan if isinstance(document, Template) else ()
    with_paths = [(f"{root}.phases[{i}]", phase) for i, phase in enumerate(document.phases)]
    with_paths += [(f"spec.plan[{i}]", phase) for i, phase in enumerate(plan)]
    problems += _without_runtime(with_paths)
    if problems:
        raise InvalidInput(f"{path} cannot run here; nothing was started", problems=tuple(problems))


def _without_runtime(phases: Sequence[tuple[str, Phase]]) -> Iterator[Problem]:
    """Yield which phases, each with its path, need a runtime that is not here."""
    runtimes = runtimes_for([phase for _, phase in phases])
    for place, phase in phases:
        if phase.slurm is not None and SLURM not in runtimes.kinds:
            why = runtimes.unavailable.get(SLURM, "")
            message = f"nothing can be handed to Slurm here: {why}. Leave `slurm` out"
            yield Problem(f"{place}.slurm", message)
        elif phase.kubernetes is not None:
            if KUBERNETES not in runtimes.kinds:
                why = runtimes.unavailable.get(KUBERNETES, "")
                message = f"no pod can be run here: {why}. Leave `kubernetes` out"
                yield Problem(f"{place}.kubernetes", message)
        elif phase.image is not None and CONTAINER not in runtimes.kinds:
            why = "; ".join(runtimes.unavailable.values())
            message = f"no container can be run here: {why}. Install podman, or leave `image` out"
            yield Problem(f"{place}.image", message)


def _needs_server(template: Template) -> list[Problem]:
    """Return what starts other templates, or runs on targets: there are none here."""
    started = {"spec.onSuccess": template.on_success, "spec.onFailure": template.on_failure}
    problems = [
        Problem(path, "starts other templates, which a server has; push them, and run it there")
        for path, calls in started.items()
        if calls
    ]
    if template.fan_out and template.fan_out.kind is FanOutKind.TARGETS:
        message = "runs on targets, which a server has; push it, and run it there"
        problems.append(Problem("spec.runsOn.targets", message))
    return problems


def _unanswerable(root: str, phases: Sequence[Phase]) -> list[Problem]:
    """Return the questions of phases for which nobody is here."""
    if has_person():
        return []
    return [
        Problem(
            f"{root}.phases[{i}]",
            f"phase {phase.name} asks people, and there is no terminal on which to ask; "
            "run it from one, or push it and run it on the server",
        )
        for i, phase in enumerate(phases)
        if kind_of(phase)
    ]
