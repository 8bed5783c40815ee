"""The shell scripts of a phase that is a job of Slurm: on the node, and what follows it from here.

All of them meet in one folder, on a file system that the worker shares with the nodes:

    batch     what Slurm is given; it holds no value, and begins `first` if nobody has before
    first     the environment and the phase's shell; `started` once it has begun
    out, err  what it prints; Slurm's own words on its end come into `err`
    output, summary, secret.NAME   the private files of the phase
    end       its exit code, and how much it has printed: written last
    said      what Slurm has said of the job when it was last asked
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from opsicle.worker.command_markers import ShellStreams
from opsicle.worker.container_script import export_lines, quoted
from opsicle.worker.process_limits import SHELLS_OWN

_BATCH = """\
#!/bin/sh
if mv {folder}/first {folder}/started; then
    exec /bin/sh {folder}/started
fi
echo "opsicle: {folder} is not seen by $(hostname), or this job was begun before; \\
nothing is run" >&2
exit {not_begun}
"""
"""The folder's name is the only thing in it. `mv` succeeds once, whoever else begins the job."""

NOT_BEGUN = 90
"""What the batch script exits with if it has run nothing."""

_END = """\
cd {folder} &&
echo "$opsicle_code" $(stat -c %s out err) >end.new && mv end.new end
exit "$opsicle_code\""""

FOLLOW = """\
every=$1
shift
trap hurry=1 TERM
cd "$FOLDER" || exit 126
job=$(sbatch "$@" <batch) || exit 126
job=${job%%;*}
out=0 err=0

copy() {
    set -- $(stat -c %s out err 2>/dev/null)
    [ $# = 2 ] || return
    before=$out/$err
    if [ "$2" -gt "$err" ]; then
        tail -c "+$((err + 1))" err | head -c "$(($2 - err))" >&2
        err=$2
    fi
    if [ "$1" -gt "$out" ]; then
        tail -c "+$((out + 1))" out | head -c "$(($1 - out))"
        out=$1
    fi
    [ "$out/$err" = "$before" ] || pause=2
}

look() {
    said=$(scontrol --oneliner show job "$job" 2>&1)
    state=${said##* JobState=}
    state=${state%% *}
    case $said in
        *' JobState='*) printf '%s\\n' "$said" >said ;;
        *'Invalid job id'*) over=1 ;;
        *) return ;;
    esac
    case $state in
        PENDING) why=${said##* Reason=}; note "waits in Slurm (${why%% *})" ;;
        CONFIGURING | RUNNING | COMPLETING | SUSPENDED | STOPPED | SIGNALING | STAGE_OUT | RESIZING)
            note "is run by Slurm" ;;
        *) over=1 ;;
    esac
}

note() {
    [ "$1" = "$noted" ] || echo "opsicle: job $job $1" >&2
    noted=$1
}

pause=2 waited=$((every - 10)) ending=0
while [ -z "$over" ] && [ "$ending" -lt 600 ]; do
    ended=
    [ ! -e end ] || ended=1
    copy
    if [ -n "$ended$hurry" ] || [ "$waited" -ge "$every" ]; then
        look
        waited=0
    fi
    [ -z "$over" ] || break
    [ -z "$ended$hurry" ] || pause=2
    sleep "$((pause / 10)).$((pause % 10))"
    waited=$((waited + pause))
    [ -z "$ended" ] || ending=$((ending + pause))
    [ "$pause" -ge 10 ] || pause=$((pause + 2))
done

case $state in
    COMPLETED | FAILED) patience=100 ;;
    *) patience=10 ;;
esac
code= out_end=0 err_end=0
while :; do
    [ ! -e end ] || read -r code out_end err_end <end
    copy
    [ -z "$code" ] || [ "$out" -lt "$out_end" ] || [ "$err" -lt "$err_end" ] || exit "$code"
    [ "$patience" -gt 0 ] || break
    patience=$((patience - 2))
    sleep 0.2
done
case $state in
    COMPLETED | FAILED) echo "opsicle: perhaps not all of the output came from the node" >&2 ;;
esac
said=${said##* ExitCode=}
said=${said%% *}
case $code/$state/$said in
    [0-9]*) exit "$code" ;;
    /COMPLETED/0:0) exit 0 ;;
    /*/0:[0-9]*) exit "$((128 + ${said#*:}))" ;;
    /*/[0-9]*:0) exit "${said%:*}" ;;
esac
exit 255
"""
"""What follows a phase on this side, in the folder FOLDER: `sbatch` with these options, the output
as it comes, and at last the exit code. Every `every` tenths of a second it asks Slurm for the job,
and sooner once that has ended or TERM came."""


def batch_script(folder: Path) -> bytes:
    """Return what Slurm is given to run."""
    return _BATCH.format(folder=shlex.quote(str(folder)), not_begun=NOT_BEGUN).encode()


def streams(folder: Path) -> ShellStreams:
    """Return how a phase's shell reaches its two streams."""
    stdout, stderr = (f"1>>{shlex.quote(str(folder / name))}" for name in ("out", "err"))
    return ShellStreams(stdout, stderr)


def first_script(
    folder: Path,
    start_in: Path,
    environment: Mapping[str, str],
    arguments: Sequence[bytes],
) -> bytes:
    """Return the script that runs a phase. Raises ValueError for a NUL byte.

    The phase's shell appends to the files that Slurm has opened for it, so that what it writes
    there by their names stands in order with the rest.

    At TERM, which everything in the job gets, it waits for the phase's shell; the rest ends with
    it, as Slurm kills what is left.
    """
    place = shlex.quote(str(folder))
    lines = [b"trap opsicle_stopping=1 TERM", f"cd {place} || exit 126".encode()]
    lines += [f"unset {SHELLS_OWN}".encode(), *export_lines(environment)]
    lines += [b"cd " + quoted(str(start_in).encode()) + b" || exit 126"]
    stdout, stderr = streams(folder)
    files = f" </dev/null {stdout} 2{stderr[1:]}"
    lines += [b" ".join(map(quoted, arguments)) + files.encode(), b"opsicle_code=$?"]
    lines += [_END.format(folder=place).encode()]

    script = b"\n".join(lines) + b"\n"
    if b"\0" in script:
        raise ValueError("embedded null byte")
    return script
