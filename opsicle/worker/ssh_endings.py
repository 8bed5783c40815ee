"""What ends on a target that is no process: containers, and the cgroup of a phase.

Functions of a shell, for the keeper and for what runs a phase.
"""

from __future__ import annotations

import shlex

from opsicle.worker.container_script import TERM_ALL, TERMINATED

_CONTAINERS = f"""\
containers() {{ "$engine" ps "$@" --quiet --filter "label=opsicle.folder=$nonce"; }}
end_containers() {{
    [ -e "$base/engine" ] || return 0
    read -r engine <"$base/engine"
    for each in $(containers --all); do
        "$engine" kill --signal KILL "$each"
        "$engine" rm --force "$each"
    done
}} </dev/null >/dev/null 2>&1
term_containers() {{
    [ -e "$base/engine" ] || return 0
    read -r engine <"$base/engine"
    told='' tenths=1
    while [ "$(seconds)" -lt "$1" ]; do
        untold=''
        for each in $(containers --all); do
            spared=sessions
            case "$told " in *" $each "*) continue ;; esac
            "$engine" exec "$each" {shlex.join(TERM_ALL)}
            case $? in
                {"|".join(map(str, sorted(TERMINATED)))}) told="$told $each" ;;
                *) untold=1; "$engine" unpause "$each" ;;
            esac
        done
        [ -n "$untold" ] && [ -n "$(in_sessions; containers)" ] || return 0
        pause
    done
}} </dev/null >/dev/null 2>&1
"""
"""What tells all in the containers of a connection to end, and what ends and removes those.

`term_containers UNTIL` tells again until that time while an engine cannot reach into a container,
as in the moment after a start, or while somebody has paused it. The engine's programs, which are
the phase's session, are then `spared` the TERM of `end_all`: podman's exits at one that it cannot
hand on, and leaves the container running, which the phase would end at once.
"""

_CGROUP = """\
remove_cgroup() {
    [ -e "$base/cgroup" ] || return 0
    read -r cgroup <"$base/cgroup"
    if grep -q '^max [1-9]' "$cgroup/pids.events"; then : >"$base/private/exceeded"; fi
    rmdir "$cgroup"
    rm -f "$base/cgroup"
} 2>/dev/null
"""
"""Once nothing of the phase runs any more; a cgroup that a daemon is in stays with it."""

ENDINGS = _CONTAINERS + _CGROUP
