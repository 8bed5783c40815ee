"""Phases with an image on a target, by the podman or docker that it has.

The engine's program leads the phase's session, in the place of its shell. Values come in the
container's first script, as on a worker (see container_script.py), out of the job's private folder.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from opsicle.domain.templates import Phase, Pull, ResourceLimits
from opsicle.wire.jobs import Work
from opsicle.worker.container_mounts import mount
from opsicle.worker.container_options import ENGINE_OPTIONS, run_options
from opsicle.worker.container_script import first_script
from opsicle.worker.ssh_scripts import PhaseStart, RemoteFolder

_FIRST = "first"  # its name in the private folder
_ENGINE_FAILED = 125

_PREPARE = """\
engine=
if podman ps --quiet; then
    engine=podman way={podman}
elif docker version && ! docker version | grep -qi podman; then
    engine=docker way={docker}
fi </dev/null >/dev/null 2>&1
[ -n "$engine" ] || fail {none}
echo "$engine" >"$base/engine"
{never}chmod 777 "$base/work"
chmod 666 "$base/out" "$base/err" "$base/private/output" "$base/private/summary"
chmod 644 "$base/script" "$base/private/{first}"
{chown}for each in {folders}; do
    at=$base/work rest=$each/
    while [ -n "$rest" ]; do
        at=$at/${{rest%%/*}} rest=${{rest#*/}}
        [ ! -L "$at" ] || fail "the volume mount $each leads through a link, which is not followed"
    done
    mkdir -p "$at" && chmod 777 "$at"
done
engine="$engine run $way"
"""
"""Within the container it may be another user's number that asks; outside nobody gets there.

A link in the workspace may be an earlier container's, and lead out of what it was shown."""

_NEVER = """\
"$engine" image inspect {image} </dev/null >/dev/null 2>&1 || fail {absent} {code}
"""


class RemoteContainer:
    """One try of a phase in a container on a target."""

    def __init__(self, work: Work, phase: int, folder: RemoteFolder, number: int) -> None:
        self._work = work
        self._asked: Phase = work.phases[phase]
        self._folder = folder
        self._name = f"opsicle-{work.job_id}-{phase}-{folder.nonce[:8]}-{number}"

    def _prepare(self) -> str:
        """Return what finds an engine, and lets the container's user at its files, or fails."""
        asked = self._asked
        never = ""
        if asked.pull is Pull.NEVER:
            absent = (
                f"the image {asked.image} is not on the target, "
                "and `pull: never` keeps it from being fetched"
            )
            never = _NEVER.format(
                image=shlex.quote(str(asked.image)), absent=shlex.quote(absent), code=_ENGINE_FAILED
            )
        chown = ""
        if asked.user and asked.secrets:
            chown = f'chown {asked.user} "$base"/private/secret.* 2>/dev/null\n'
        return _PREPARE.format(
            podman=shlex.quote(" ".join(ENGINE_OPTIONS["podman"])),
            docker=shlex.quote(" ".join(ENGINE_OPTIONS["docker"])),
            none=shlex.quote("there is neither a podman nor a docker that works on this target"),
            never=never,
            first=_FIRST,
            chown=chown,
            folders=" ".join(shlex.quote(host) for host, _ in self._volumes()),
        )

    def start(
        self,
        shell: Sequence[bytes],
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        start_in: str,
        pipes: tuple[PurePosixPath, PurePosixPath] | None,
    ) -> PhaseStart:
        """Return how it is started. Raises ValueError for a NUL byte.

        It prints to `pipes`, if not to its engine.
        """
        limits = self._asked.limits or ResourceLimits()
        first = first_script(environment, shell, limits, pipes).decode(errors="surrogateescape")
        arguments = [each.encode() for each in self._arguments(environment, start_in)]
        return PhaseStart(arguments, {}, {**secrets, _FIRST: first}, prepare=self._prepare())

    def _arguments(self, environment: Mapping[str, str], start_in: str) -> list[str]:
        """Return what follows `engine run` and its own options."""
        folder, asked = self._folder, self._asked
        options = run_options(self._work, asked, self._name, asked.user)
        options += ["--label", f"opsicle.folder={folder.nonce}"]
        options += ["--mount", mount(folder.workspace, folder.workspace)]
        options += ["--workdir", str(folder.workspace / start_in)]
        for host, place in self._volumes():
            options += ["--mount", mount(folder.workspace / host, place)]
        for path in self._shown(environment):
            options += ["--mount", mount(path, path)]
        first = folder.private(_FIRST)
        for path in (folder.path / "script", first):
            options += ["--mount", mount(path, path, is_read_only=True)]
        return [*options, str(asked.image), str(first)]

    def _shown(self, environment: Mapping[str, str]) -> Iterator[PurePosixPath]:
        yield from self._folder.pipes
        for name, path in environment.items():
            if name in {"OPSICLE_OUTPUT", "OPSICLE_SUMMARY"} or name.startswith(
                "OPSICLE_SECRET_FILE_"
            ):
                yield PurePosixPath(path)

    def _volumes(self) -> Iterator[tuple[str, str]]:
        """Yield which folders of the workspace are shown, and where."""
        for each in self._work.volume_mounts:
            yield str(PurePosixPath(each.host)), each.container
