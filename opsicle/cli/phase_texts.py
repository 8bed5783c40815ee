"""A phase in words, as whoever approves it reads it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from opsicle.domain.clocks import duration_text
from opsicle.domain.templates import (
    DEFAULT_SHELL,
    KubernetesOptions,
    OnFailure,
    Phase,
    ResourceLimits,
    Retries,
    SlurmOptions,
)


def phase_lines(phase: Phase) -> Iterator[str]:
    """Yield a phase with all that decides what it does: what is left out is as by default."""
    more = [*(_container(phase) if phase.image else []), *_limits(phase.limits)]
    more += [_options("in Slurm", phase.slurm)] if phase.slurm is not None else []
    more += [_options("as a pod", phase.kubernetes)] if phase.kubernetes is not None else []
    more += [f"when {phase.when}"] if phase.when != "success" else []
    more += [f"secrets {', '.join(phase.secrets)}"] if phase.secrets else []
    more += [f"env {key}={value}" for key, value in phase.env.items()]
    more += ["asks people if it fails"] if phase.on_failure is OnFailure.ASK else []
    more += [f"shell {phase.shell}"] if phase.shell != DEFAULT_SHELL else []
    more += [f"in the folder {phase.working_directory}"] if phase.working_directory else []
    more += [] if phase.is_waiting else [f"for at most {duration_text(phase.timeout)}"]
    more += [_retries(phase.retries)] if phase.retries else []
    more += [f"keeps {', '.join(phase.artifacts)}"] if phase.artifacts else []
    yield f"  {phase.name}" + (f" ({'; '.join(more)})" if more else "")
    if phase.pause:
        yield f"    pauses, and asks: {phase.pause.message}"
    for call in phase.calls:
        yield f"    calls {call.template}"
    for command in phase.commands:
        for line in command.split("\n"):
            yield f"    {line}"


def _retries(retries: Retries) -> str:
    times = "once" if retries.limit == 1 else f"up to {retries.limit} times"
    text = f"tried again {times}, after {duration_text(retries.delay)}"
    text += f", each time {retries.backoff:g} times as long" if retries.backoff != 1 else ""
    codes = ", ".join(map(str, retries.retry_on))
    return text + (f", for exit code {codes} only" if codes else "")


def _container(phase: Phase) -> list[str]:
    parts = [f"in {phase.image}", "with a network" if phase.network else "no network"]
    parts += [f"pull {phase.pull}"] if phase.pull != "missing" else []
    parts += [f"user {phase.user}"] if phase.user else []
    parts += ["read-only root"] if phase.read_only else []
    return parts


def _options(where: str, asked: SlurmOptions | KubernetesOptions) -> str:
    options = [f"{name} {value}" for name, value in msgspec.structs.asdict(asked).items() if value]
    return f"{where} {', '.join(options)}".strip().replace("_mib", " MiB").replace("_", " ")


def _limits(limits: ResourceLimits | None) -> Iterator[str]:
    if limits is None:
        return
    if limits.memory_mib:
        yield f"at most {limits.memory_mib} MiB of memory"
    if limits.processes:
        yield f"at most {limits.processes} processes"
    if limits.cpu_seconds:
        yield f"{limits.cpu_seconds} s of CPU a process"
    if limits.file_mib:
        yield f"files of at most {limits.file_mib} MiB"
    if limits.nice:
        yield f"nice {limits.nice}"
