"""Reading phases: the named groups of commands of a template or an automation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from opsicle.domain.artifacts import MAX_PATH_BYTES, MAX_PATTERNS, pattern_problem
from opsicle.domain.call_parser import parse_call
from opsicle.domain.cluster_fields import parse_kubernetes, parse_slurm
from opsicle.domain.container_fields import parse_container, parse_limits
from opsicle.domain.documents import DocumentNode, Fields, integer
from opsicle.domain.names import (
    ENVIRONMENT_NAME,
    ENVIRONMENT_NAME_RULE,
    ID,
    ID_RULE,
    has_control_characters,
    is_reserved,
)
from opsicle.domain.outputs import output_environment_name
from opsicle.domain.pause_parser import parse_on_failure, parse_pause
from opsicle.domain.problems import quoted
from opsicle.domain.retries import MAX_BACKOFF, MAX_RETRY_DELAY_SECONDS
from opsicle.domain.secrets import SECRET_NAME, SECRET_NAME_RULE, secret_file_environment_name
from opsicle.domain.templates import (
    DEFAULT_PHASE_TIMEOUT_SECONDS,
    DEFAULT_SHELL,
    Phase,
    Retries,
    VolumeMount,
    When,
)
from opsicle.domain.yaml_documents import Kind

MAX_PHASES = 100
MAX_COMMANDS = 1_000
MAX_COMMAND_BYTES = 64 * 1024
MAX_TIMEOUT_SECONDS = 7 * 24 * 3600
MAX_ENV = 200
MAX_ENV_BYTES = 64 * 1024
MAX_SECRETS = 50
MAX_OUTPUTS = 50
MAX_RETRY_ON = 50
MAX_VOLUME_MOUNTS = 50

_MAX_PATH_CHARACTERS = 1_000


def parse_phases(
    spec: Fields, key: str = "phases", *, is_required: bool = True
) -> tuple[Phase, ...]:
    """Return the phases under `key`; every mistake is noted, names that stand twice among them."""
    phases: list[Phase] = []
    for place in spec.items(key, MAX_PHASES, is_required=is_required):
        fields = place.mapping()
        phase = _phase(fields)
        if phase.name and phase.name in [other.name for other in phases]:
            place.add(
                f"a phase {quoted(phase.name)} stands further up already; names tell phases apart"
            )
        if outputs := fields.find("outputs"):
            _refuse_outputs_twice(outputs, phase, phases)
        phases.append(phase)
    return tuple(phases)


def _refuse_outputs_twice(place: DocumentNode, phase: Phase, before: Sequence[Phase]) -> None:
    """Note each output of a phase whose variable is already that of another one."""
    known = {
        output_environment_name(name): (name, other.name)
        for other in before
        for name in other.outputs
    }
    for name in phase.outputs:
        variable = output_environment_name(name)
        if variable in known:
            same_name, its_phase = known[variable]
            place.add(
                f"{quoted(name)}, and {quoted(same_name)} of the phase {quoted(its_phase)}, "
                f"would both be {variable}; rename one of them"
            )
        known.setdefault(variable, (name, phase.name))


def parse_volume_mounts(spec: Fields) -> tuple[VolumeMount, ...]:
    """Return the volume mounts; whether a host path is allowed is for the worker to say."""
    mounts = []
    for place in spec.items("volumeMounts", MAX_VOLUME_MOUNTS):
        fields = place.mapping()
        mount = VolumeMount(
            host=_mount_path(fields, "host"), container=_mount_path(fields, "container")
        )

        if mount.container and not mount.container.startswith("/"):
            place.add(f"`container` must be an absolute path, not {quoted(mount.container)}")
        elif mount.container and not _is_usable_place(mount.container):
            place.add("`container` must be a folder other than `/`, written without `..`")

        fields.end()
        mounts.append(mount)

    return tuple(mounts)


def _is_usable_place(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return len(parts) > 1 and ".." not in parts


def _mount_path(fields: Fields, key: str) -> str:
    place = fields.find(key, is_required=True)
    path = place.line_of_text(_MAX_PATH_CHARACTERS) if place else None
    if place and path == "":
        place.add("must not be empty")
    return path or ""


def _phase(fields: Fields) -> Phase:
    pause = parse_pause(fields)
    calls = parse_call(fields)
    image = _image(fields)
    container = parse_container(fields, has_image=fields.has("image"))
    phase = Phase(
        name=_name(fields),
        image=image,
        timeout=fields.integer("timeout", DEFAULT_PHASE_TIMEOUT_SECONDS, 1, MAX_TIMEOUT_SECONDS),
        commands=_commands(fields, is_required=pause is None and not calls),
        env=_env(fields),
        secrets=_secrets(fields),
        working_directory=_working_directory(fields),
        when=fields.choice("when", When.SUCCESS),
        retries=_retries(fields),
        shell=_shell(fields),
        outputs=fields.names("outputs", MAX_OUTPUTS, ID, ID_RULE),
        network=container.network,
        pull=container.pull,
        user=container.user,
        read_only=container.read_only,
        limits=parse_limits(fields),
        pause=pause,
        on_failure=parse_on_failure(fields),
        artifacts=_artifacts(fields),
        calls=calls,
        slurm=parse_slurm(fields),
        kubernetes=parse_kubernetes(fields),
    )

    fields.end()
    return phase


def _image(fields: Fields) -> str | None:
    place = fields.find("image")
    image = place.line_of_text(500) if place else None
    if place and image and (image.startswith("-") or " " in image):
        place.add(f"{quoted(image)} is no name of an image: it holds a space or begins with `-`")
        return None
    return image or None


def _name(fields: Fields) -> str:
    place = fields.find("name", is_required=True)
    name = place.line_of_text(100) if place else None
    if place and name is not None and not name.strip():
        place.add("must not be empty")
    return name or ""


def _commands(fields: Fields, *, is_required: bool) -> tuple[str, ...]:
    commands = (
        _command(place) for place in fields.items("commands", MAX_COMMANDS, is_required=is_required)
    )
    return tuple(command for command in commands if command)


def _command(place: DocumentNode) -> str | None:
    command = place.text()
    if command is None:
        return None
    if not command.strip():
        place.add("must not be empty")
    elif len(command.encode(errors="replace")) > MAX_COMMAND_BYTES:
        place.add(f"is larger than {MAX_COMMAND_BYTES // 1024} KiB")
    return command


def _env(fields: Fields) -> dict[str, str]:
    env: dict[str, str] = {}
    for name, place in fields.entries("env", MAX_ENV):
        if not ENVIRONMENT_NAME.fullmatch(name):
            place.add(
                f"{quoted(name)} is no name of an environment variable: {ENVIRONMENT_NAME_RULE}"
            )
        elif is_reserved(name):
            place.add("only Opsicle itself sets variables that begin with `OPSICLE_`")

        text = place.text()
        if text is not None and len(text.encode(errors="replace")) > MAX_ENV_BYTES:
            place.add(f"is larger than {MAX_ENV_BYTES // 1024} KiB")
        elif text is not None:
            env[name] = text

    return env


def _secrets(fields: Fields) -> tuple[str, ...]:
    names = fields.names("secrets", MAX_SECRETS, SECRET_NAME, SECRET_NAME_RULE)
    place = fields.find("secrets")
    for name in names:
        if place and f"file-{name}" in names:
            variable = secret_file_environment_name(name)
            place.add(
                f"`{name}` and `file-{name}` in one phase would both be {variable}; "
                "rename one of them"
            )
    return names


def _working_directory(fields: Fields) -> str | None:
    place = fields.find("workingDirectory")
    path = place.line_of_text(_MAX_PATH_CHARACTERS) if place else None
    if place is None or path is None:
        return None
    if not path or path.startswith("/") or ".." in PurePosixPath(path).parts:
        place.add(
            f"must be a folder inside the workspace: relative and without `..`, not {quoted(path)}"
        )
        return None
    return path


def _shell(fields: Fields) -> str:
    place = fields.find("shell")
    path = place.line_of_text(255) if place else None
    if place is None or path is None:
        return DEFAULT_SHELL
    if not path.startswith("/") or " " in path or has_control_characters(path):
        place.add(f"must be the absolute path of a shell, without arguments, not {quoted(path)}")
        return DEFAULT_SHELL
    return path


def _artifacts(fields: Fields) -> tuple[str, ...]:
    patterns: list[str] = []
    for place in fields.items("artifacts", MAX_PATTERNS):
        pattern = place.line_of_text(MAX_PATH_BYTES)
        problem = "" if pattern is None else pattern_problem(pattern)
        if problem:
            place.add(problem)
        elif pattern in patterns:
            place.add(f"{quoted(pattern)} stands twice")
        elif pattern:
            patterns.append(pattern)
    return tuple(patterns)


def _retries(fields: Fields) -> Retries | None:
    retries = fields.mapping("retries")
    if retries is None:
        return None
    read = Retries(
        limit=retries.integer("limit", 1, 1, 100, is_required=True),
        delay=retries.integer("delay", 0, 0, MAX_RETRY_DELAY_SECONDS),
        backoff=_backoff(retries),
        retry_on=_retry_on(retries),
    )
    retries.end()
    return read


def _backoff(retries: Fields) -> float:
    place = retries.find("backoff")
    if place is None:
        return 1.0
    content = place.node.content
    if place.node.kind not in {Kind.INTEGER, Kind.FLOAT} or not isinstance(content, int | float):
        place.add("must be a number, without quotes: by what each delay is multiplied")
    elif not 1 <= content <= MAX_BACKOFF:
        place.add(f"must be between 1 and {MAX_BACKOFF}, not {place.node.text}")
    else:
        return float(content)
    return 1.0


def _retry_on(retries: Fields) -> tuple[int, ...]:
    codes: list[int] = []
    for place in retries.items("retryOn", MAX_RETRY_ON):
        code = integer(place)
        if code is not None and not 1 <= code <= 255:
            place.add(f"must be an exit code of a failure, 1 to 255, not {code:,}")
        elif code in codes:
            place.add(f"{code} stands twice")
        elif code is not None:
            codes.append(code)
    return tuple(codes)
