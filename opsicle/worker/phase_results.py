"""What the phases of a job leave beside their exit codes: outputs for later phases, and a summary.

Later phases of the job get an output as it was written. What leaves this machine is masked as the
log is, and until then it is on no disk, since it may hold a secret.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from opsicle.domain.outputs import (
    MAX_ALL_OUTPUTS_BYTES,
    MAX_OUTPUT_FILE_BYTES,
    MAX_SUMMARY_BYTES,
    SUMMARY_CUT,
    WrittenOutputs,
    output_environment_name,
    read_outputs,
)
from opsicle.domain.templates import Phase
from opsicle.wire.jobs import PhaseOutput, PhaseReport, StepState
from opsicle.worker.output import now_ms
from opsicle.worker.private_files import PrivateFiles

_NO_FILE_ANY_MORE = "{} is no file any more; append to it, and do not put something else there"


class PhaseResults:
    """The outputs and summaries of one job's phases.

    `without_secrets` masks a text; `from_plan` is what a plan has handed on.
    """

    def __init__(
        self,
        files: PrivateFiles,
        without_secrets: Callable[[str], str],
        from_plan: dict[str, str],
    ) -> None:
        self._files = files
        self._without_secrets = without_secrets
        self._outputs: dict[str, dict[str, str]] = {"": from_plan}  # by phase, as they were written
        self._summaries: dict[str, str] = {}
        self._output_file = self._summary_file = Path()
        self._are_files_ready = False

    def restore(self, reports: Iterable[PhaseReport]) -> None:
        """Take over what phases have left that an earlier run of the worker has run."""
        for report in reports:
            self._outputs[report.name] = {each.name: each.value for each in report.outputs}
            self._summaries[report.name] = report.summary

    def environment(self) -> dict[str, str]:
        """Return the variables by which a phase reads the outputs of those before it."""
        return {
            output_environment_name(name): value
            for values in self._outputs.values()
            for name, value in values.items()
        }

    def forget(self, report: PhaseReport) -> None:
        """Forget what an earlier try of a phase has left."""
        report.outputs, report.summary = (), ""
        self._outputs.pop(report.name, None)
        self._summaries.pop(report.name, None)

    def begin_again(self, report: PhaseReport) -> None:
        """Begin a phase that waits for people or for what it calls, be it once more."""
        self.forget(report)
        report.state, report.explanation = StepState.PENDING, ""
        report.started_at_ms, report.finished_at_ms = now_ms(), None

    def give(self, report: PhaseReport, values: Mapping[str, str]) -> None:
        """Take over the outputs that come back from what a phase has called."""
        self._outputs[report.name] = dict(values)
        report.outputs = tuple(self._shown(name, value) for name, value in values.items())

    def make_files(self) -> dict[str, str]:
        """Make the two files for the next try, and return the variables that name them.

        They go with the secrets of the try. Raises OSError.
        """
        if not self._are_files_ready:
            self.prepare_files()
        self._are_files_ready = False
        return {
            "OPSICLE_OUTPUT": str(self._output_file),
            "OPSICLE_SUMMARY": str(self._summary_file),
        }

    def prepare_files(self) -> None:
        """Make the two files ahead of `make_files`. Raises OSError."""
        self._output_file = self._files.write("output", b"")
        self._summary_file = self._files.write("summary", b"")
        self._are_files_ready = True

    def take(self, phase: Phase, report: PhaseReport) -> str:
        """Read what a phase has left, now that it has ended, into its report.

        Returns what was wrong with its outputs, or an empty string; what was right counts.
        """
        self._summaries[phase.name] = report.summary = self._summary()
        values, problem = self._written(phase)
        if sum(map(_size, self._outputs.values())) + _size(values) > MAX_ALL_OUTPUTS_BYTES:
            values, problem = {}, _TOO_MUCH

        self._outputs[phase.name] = values
        report.outputs = tuple(self._shown(name, value) for name, value in values.items())
        return problem

    def _shown(self, name: str, value: str) -> PhaseOutput:
        masked = self._without_secrets(value)
        return PhaseOutput(name=name, value=masked, is_masked=masked != value)

    def _written(self, phase: Phase) -> WrittenOutputs:
        try:
            content = read_left(self._output_file, MAX_OUTPUT_FILE_BYTES + 1)
        except OSError:
            return WrittenOutputs({}, _NO_FILE_ANY_MORE.format("OPSICLE_OUTPUT"))
        return read_outputs(content, phase.outputs)

    def _summary(self) -> str:
        """Return what a phase says in Markdown, as far as there is room.

        Masked before it is cut, since half a secret is not found.
        """
        before = list(self._summaries.values())
        if any(text.endswith(SUMMARY_CUT) for text in before):
            return ""
        try:
            content = read_left(self._summary_file, MAX_OUTPUT_FILE_BYTES)
        except OSError:
            return f"*{_NO_FILE_ANY_MORE.format('OPSICLE_SUMMARY')}.*\n"

        text = content.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        encoded = self._without_secrets(text).encode()
        room = MAX_SUMMARY_BYTES - sum(len(text.encode()) for text in before)
        if len(encoded) <= room:
            return encoded.decode()
        return encoded[:room].decode(errors="ignore") + SUMMARY_CUT


_TOO_MUCH = (
    "with it, the outputs of the job are larger than "
    f"{MAX_ALL_OUTPUTS_BYTES // 1024} KiB together; "
    "keep what is large in a file"
)


def _size(values: dict[str, str]) -> int:
    return sum(len(name) + len(value.encode()) for name, value in values.items())


def read_left(path: Path, limit: int, *, from_end: bool = False) -> bytes:
    """Return the beginning, or end, of a file in whose place a job may have put something else.

    Empty if there is none. Raises OSError for what is no file; follows no link, waits for no pipe.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is no file")
        if not found.st_size:
            return b""
        start = max(0, found.st_size - limit) if from_end else 0
        return _read_up_to(fd, start, limit)
    finally:
        os.close(fd)


def _read_up_to(fd: int, start: int, limit: int) -> bytes:
    content = b""
    while len(content) < limit and (
        piece := os.pread(fd, limit - len(content), start + len(content))
    ):
        content += piece
    return content


def put_left(path: Path, content: bytes | None) -> None:
    """Leave here what was left elsewhere: a file, or something (None) that is none."""
    if content is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(content)
