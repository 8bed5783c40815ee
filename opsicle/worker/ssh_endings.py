"""What ends on a target that is no process: containers, and the cgroup of a phase.

Functions of a shell, for the keeper and for what runs a phase.
"""

from __future__ import annotations

import shlex

from opsicle.worker.container_script import TERM_ALL

_CONTAINERS = f"""\
end_containers() {{
    [ -e "$base/engine" ] || return 0
    read -r engine <"$base/engine"
    for each in $("$engine" ps --all --quiet --filter "label=opsicle.folder=$nonce"); do
        "$engine" kill --signal KILL "$each"
        "$engine" rm --force "$each"
    done
}} </dev/null >/dev/null 2>&1
term_containers() {{
    [ -e "$base/engine" ] || return 0
    read -r engine <"$base/engine"
    for each in $("$engine" ps --quiet --filter "label=opsicle.folder=$nonce"); do
        "$engine" exec "$each" {shlex.join(TERM_ALL)}
        "$engine" kill --signal TERM "$each"
    done
}} </dev/null >/dev/null 2>&1
"""
"""What tells all in the containers of a connection to end, and what ends and removes those."""

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
