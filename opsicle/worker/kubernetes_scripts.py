"""The shell scripts of a phase that is a pod: in its container, and what follows it from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsicle.worker.container_script import export_lines, quoted
from opsicle.worker.process_limits import SHELLS_OWN

GIVEN, LEFT, WORKSPACE = "/opsicle/given", "/opsicle/left", "/opsicle/workspace"
"""Where a pod sees what it is given (script, secrets), leaves outputs and summary, and works."""

MESSAGE_BYTES = 4096
"""What the kubelet takes of a container's last message, and with it of outputs and summary."""

_BEGIN = f"""\
opsicle_stop() {{ trap '' TERM; opsicle_stopping=1; kill -TERM -1; }}
trap opsicle_stop TERM
: >{LEFT}/output
: >{LEFT}/summary
cd {WORKSPACE} || exit 126
"""

_END = f"""\
opsicle_pid=$!
wait "$opsicle_pid"
opsicle_code=$?
if [ -n "$opsicle_stopping" ]; then
    wait "$opsicle_pid"
    opsicle_code=$?
    while kill -0 -1 2>/dev/null; do sleep 1; done
fi
{{
    printf '%s ' "$opsicle_code"
    head -c {MESSAGE_BYTES} {LEFT}/output | base64 | tr -d '\\n'
    printf ' '
    head -c {MESSAGE_BYTES} {LEFT}/summary | base64 | tr -d '\\n'
    echo ' .'
}} >/dev/termination-log
exit "$opsicle_code"
"""

FOLLOW = """\
name=$1 every=$2
trap hurry=1 TERM
cd "$FOLDER" || exit 126
: >log
kubectl create --validate=false --filename=secret.json >/dev/null || {
    echo untaken >over
    exit 126
}
rm -f secret.json
if ! kubectl create --validate=false --filename=pod.json >/dev/null; then
    until kubectl get pod "$name" --output=name >/dev/null 2>error; do
        if grep -q NotFound error; then
            echo untaken >over
            kubectl delete "secret/$name" --wait=false >/dev/null 2>&1
            exit 126
        fi
        sleep 2
    done
fi
copied=0

note() {
    [ "$1" = "$noted" ] || echo "opsicle: the pod $name $1" >&2
    noted=$1
}

copy() {
    size=$(stat -c %s log) || return
    [ "$size" -gt "$copied" ] || return
    tail -c "+$((copied + 1))" log | head -c "$((size - copied))"
    copied=$size pause=2
}

behind() { { head -c "$(stat -c %s log)" >/dev/null; cat; } >>log; }

stream() {
    [ -z "$reader" ] || ! kill -0 "$reader" 2>/dev/null || return
    kubectl logs --follow "$name" 2>/dev/null | behind &
    reader=$!
}

field() { sed -n "s/^ *\\"$1\\": \\"\\{0,1\\}\\([A-Za-z0-9]*\\).*/\\1/p" status | tail -n 1; }

look() {
    if ! kubectl get pod "$name" --output=json >status.new 2>error; then
        ! grep -q NotFound error || over=gone
        return
    fi
    mv status.new status
    state=$(field phase)
    case $state in
        Succeeded | Failed) over=ended ;;
        Pending)
            why=$(field reason)
            note "waits (${why:-Pending})"
            case $why in InvalidImageName | ErrImageNeverPull) over=refused ;; esac
            ;;
        *) note runs; has_run=1 ;;
    esac
}

pause=2 waited=$every
while [ -z "$over" ]; do
    [ -z "$has_run" ] || { stream; copy; }
    if [ -n "$hurry" ] || [ "$waited" -ge "$every" ]; then
        look
        waited=0
    fi
    [ -z "$over" ] || break
    sleep "$((pause / 10)).$((pause % 10))"
    waited=$((waited + pause))
    [ "$pause" -ge 10 ] || pause=$((pause + 2))
done

[ -z "$reader" ] || wait "$reader"
if [ "$over" = ended ]; then
    kubectl logs "$name" 2>/dev/null | behind
fi
copy
echo "$over" >over
kubectl delete "pod/$name" "secret/$name" --wait=false --ignore-not-found >/dev/null 2>&1
[ "$over" = ended ] || exit 255
code=$(field exitCode)
exit "${code:-255}"
"""
"""What follows a pod, in the private folder FOLDER. A log whose stream is cut is read anew from
behind what has come of it. `every` tenths of a second it asks for the pod."""


def first_script(environment: Mapping[str, str], arguments: Sequence[bytes]) -> bytes:
    """Return what a pod's container runs. Raises ValueError for a NUL byte.

    It is the first process there, so it hands TERM on to all others, and waits for them.
    """
    lines = [_BEGIN.rstrip().encode(), f"unset {SHELLS_OWN} HOSTNAME".encode()]
    lines += export_lines(environment)
    lines += [b" ".join(map(quoted, arguments)) + b" </dev/null &", _END.encode()]

    script = b"\n".join(lines)
    if b"\0" in script:
        raise ValueError("embedded null byte")
    return script
