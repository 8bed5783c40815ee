"""What runs on a target: shell scripts that come over the connection, and no program of ours.

Their text is in ssh_shell.py; here it is put together for a job and a phase.

Two things run there. The *keeper* is one per connection, and lives as long as that: it makes the
job's folder, ends the job's processes when it is told to, or when the connection is gone, and
removes the folder at last. The *phase script* is one per try: it sets the environment and starts
the phase's shell as the leader of a session of its own. All it is told comes over its standard
input; nothing of it ever stands in an argument. Each script is one group of commands, so that of
one that comes in part, as a connection breaks, nothing is run.

Needed there: a POSIX `/bin/sh`, `setsid` (util-linux, busybox), and the usual small programs. The
job's folder is `/tmp/opsicle-JOB-NONCE` (0700), of which nobody can know the name before.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from opsicle.domain.files import FOLDER, InputFile
from opsicle.domain.outputs import MAX_OUTPUT_FILE_BYTES
from opsicle.domain.templates import ResourceLimits
from opsicle.worker.command_markers import ShellStreams
from opsicle.worker.input_files import file_environment
from opsicle.worker.process_limits import SHELLS_OWN, address_limit, process_limits
from opsicle.worker.ssh_endings import ENDINGS
from opsicle.worker.ssh_shell import (
    BEGIN,
    COME_BACK,
    FAIL,
    FUNCTIONS,
    KEEPER,
    LEAD,
    PHASE,
    PHASE_END,
    REMOVE,
    UNHEEDING,
)
from opsicle.worker.ssh_task_limits import OBEY

KEEPER_COMMAND = (
    "exec /bin/sh -c '"
    'exec env -i HOME="$HOME" PATH="$PATH" /bin/sh -c "$1"\' sh \''
    's=$(while IFS= read -r l && [ "$l" != . ]; do printf "%s\\n" "$l"; done); eval "$s"\''
)
"""What the login shell is given, be it sh, bash, zsh, csh or fish: a script comes over standard
input, up to a line that is a dot; then words to the keeper."""

PHASE_COMMAND = (
    "exec /bin/sh -c '"
    'exec env -i HOME="$HOME" PATH="$PATH" LANG="${LANG:-C.UTF-8}" ${TZ+"TZ=$TZ"} '
    '/bin/sh -c "$1"\' sh \'s=$(cat); eval "$s"\''
)
"""The same for a phase, whose script is all that comes. It keeps of the login's environment what
phases are promised."""

RESULT_COMMAND = "exec /bin/sh -c 's=$(cat); eval \"$s\"'"
"""The same for what prints a phase's result."""

_MAX_RESULT_BYTES = MAX_OUTPUT_FILE_BYTES + 1  # one more than is read, to be told of

RESULT_BYTES = 2 * _MAX_RESULT_BYTES + 64 * 1024
"""The most that the result command answers, and what a login shell may print before it."""

_LAST_SECONDS = 10
"""The grace of what a phase leaves behind, and of what is left without its worker; also how long
what made a session of its own, but still holds the phase's output, is listened to."""

_WAITING_DAYS = 100
"""How long a folder is left that waits for its job: longer than people can be asked."""


class PhaseStart(NamedTuple):
    """What a phase is started with: its shell, or an engine's program.

    `files` are those that it finds in its private folder, by name. `prepare` comes before all: it
    may end the phase by `fail`, and set `scope` or `engine`, which stand before `arguments`.
    """

    arguments: Sequence[bytes]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    limits: ResourceLimits = ResourceLimits()
    prepare: str = ""


class RemoteFolder(NamedTuple):
    """A job's folder on its target, and the word by which the keeper's answers are known."""

    job_id: str
    nonce: str

    @property
    def path(self) -> PurePosixPath:
        """The folder: `work` in it is the workspace."""
        return PurePosixPath("/tmp", f"opsicle-{self.job_id}-{self.nonce}")  # noqa: S108 - made there with mode 0700, of a name that nobody can know

    @property
    def workspace(self) -> PurePosixPath:
        """What the commands see as OPSICLE_WORKSPACE."""
        return self.path / "work"

    @property
    def pipes(self) -> tuple[PurePosixPath, PurePosixPath]:
        """The named pipes through which a phase's stdout and stderr go."""
        return self.path / "out", self.path / "err"

    @property
    def streams(self) -> ShellStreams:
        """How a phase's shell reaches them."""
        stdout, stderr = (f"1<>{path}" for path in self.pipes)
        return ShellStreams(stdout, stderr)

    def private(self, name: str) -> PurePosixPath:
        """Return the place of a file for values, which is in memory where there is room for it."""
        return self.path / "private" / name

    def environment(
        self, environment: Mapping[str, str], files: Sequence[InputFile]
    ) -> dict[str, str]:
        """Return an environment with the paths there in the place of those here."""
        seen = dict(environment)
        seen |= {
            name: path
            for name, path in file_environment(files, self.workspace).items()
            if name in environment
        }
        seen["OPSICLE_WORKSPACE"] = str(self.workspace)
        for name, path in environment.items():
            if name in {"OPSICLE_OUTPUT", "OPSICLE_SUMMARY"}:
                seen[name] = str(self.private(name.removeprefix("OPSICLE_").lower()))
            elif name.startswith("OPSICLE_SECRET_FILE_"):
                seen[name] = str(self.private(f"secret.{path.rpartition('secret.')[2]}"))
        return seen

    def keeper(self, *, comes_back: bool) -> bytes:
        """Return the keeper's script, as KEEPER_COMMAND takes it.

        `comes_back`: the folder is there, and its last keeper has left it.
        """
        remove = REMOVE.replace("DAYS", str(_WAITING_DAYS))
        begin = COME_BACK if comes_back else BEGIN
        script = f"{self.names()}{FUNCTIONS}{ENDINGS}{UNHEEDING}{remove}{begin}{KEEPER}"
        return f"{{\n{script}}}\n.\n".encode()

    def unpack_command(self) -> str:
        """Return what takes the job's files, as tar writes them, into the workspace."""
        place = self.workspace / FOLDER
        return f"exec /bin/sh -c 'umask 077; mkdir -p {place} && exec tar -xof - -C {place}'"

    def result_script(self) -> bytes:
        """Return what prints a phase's result: a line of exit code and sizes, then two files.

        Bounded, without following links; the size of what is no file is -1. Nothing of it if the
        phase's script has not ended.
        """
        return (
            f'{self.names()}cd "$base/private" && code=$(cat code) && rm code || exit 3\n'
            "for file in output summary; do\n"
            '    size=-1; : >"$file.sent"\n'
            '    if [ -f "$file" ] && [ ! -L "$file" ]; then\n'
            f'        head -c {_MAX_RESULT_BYTES} "$file" >"$file.sent"\n'
            '        size=$(wc -c <"$file.sent")\n'
            '    elif [ ! -e "$file" ] && [ ! -L "$file" ]; then size=0; fi\n'
            '    sizes="$sizes $size"\n'
            "done\n"
            "exceeded=0; [ ! -e exceeded ] || exceeded=1\n"
            'printf "\\n%s code %s%s %s\\n" "$nonce" "$code" "$sizes" "$exceeded"\n'
            "cat output.sent summary.sent\n"
            "rm -rf output summary output.sent summary.sent exceeded\n"
        ).encode()

    def phase_script(self, start: PhaseStart, script: bytes, start_in: str) -> bytes:
        """Return what runs a phase on the target. Raises ValueError for a NUL byte.

        `script` is what is written for its shell.
        """
        end = f"end-{self.nonce}"
        lines = [
            b"{\n" + (self.names() + FUNCTIONS + ENDINGS).encode(),
            b"folder=" + quoted(start_in) + b"\n",
            b"( umask 077\n",
            _file("script", script, end),
            *(
                _file(f"private/{name}", text.encode(*_ANY), end)
                for name, text in start.files.items()
            ),
            b': >"$base/private/output"; : >"$base/private/summary"\n) || exit 3\n',
            FAIL.encode(),
            b"scope= engine=\n" + start.prepare.encode(),
            PHASE.encode(),
            b"(\n",
            *(line.encode() + b"\n" for line in _limit_lines(start.limits)),
            # Beforehand: a phase may have a variable of any name.
            b'set -- "$base" $scope "$(command -v setsid)" $engine ',
            b'${engine:+--env "LANG=$LANG"} ${engine:+${TZ+--env "TZ=$TZ"}} ',
            b" ".join(quoted(each.decode(*_ANY)) for each in start.arguments),
            f"\nunset {SHELLS_OWN}\n".encode(),
            *(
                b"export " + name.encode() + b"=" + quoted(value) + b"\n"
                for name, value in start.environment.items()
            ),
            b"exec 3>&- 4>&- 5>&-\n",
            b"exec /bin/sh -c " + quoted(LEAD) + b' "$@"',
            b'\n) >"$base/out" 2>"$base/err" </dev/null\n',
            PHASE_END.encode() + b"}\n",
        ]
        text = b"".join(lines)
        if b"\0" in text:
            raise ValueError("embedded null byte")
        return text

    def names(self) -> str:
        """Return the lines by which scripts know it."""
        return (
            f"base={self.path}\n"
            f"private=/dev/shm/{self.path.name}\n"
            f"nonce={self.nonce}\n"
            f"last={_LAST_SECONDS}\n"
        )


_ANY = ("utf-8", "surrogateescape")


def quoted(text: str) -> bytes:
    """Quote for a shell, whatever the bytes are."""
    return shlex.quote(text).encode(*_ANY)


def _file(name: str, content: bytes, end: str) -> bytes:
    """Return what writes a file that ends with a line break; no program's argument holds it."""
    whole = content if content.endswith(b"\n") else content + b"\n"
    return f"cat >\"$base/{name}\" <<'{end}'\n".encode() + whole + f"{end}\n".encode()


def _limit_lines(limits: ResourceLimits) -> Iterable[str]:
    if limits.processes is not None:
        yield OBEY
    yield from process_limits(limits)
    if limits.memory_mib is not None:
        yield address_limit(limits.memory_mib)
