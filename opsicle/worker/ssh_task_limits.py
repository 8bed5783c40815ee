"""How a target is asked to keep `limits.processes`: parts of the script that runs a phase there.

For a user the kernel counts what that runs, so it may have so many more (RLIMIT_NPROC). Root's it
does not count. There systemd makes a scope, where it runs; else a cgroup of our own does it, of
version 1 or 2. A target that has none of them is told so, and nothing runs.
"""

from __future__ import annotations

import shlex

_PREPARE = """\
tasks= scope= cgroup=
count_tasks() {
    sed -n "/^Uid:/h; /^Threads:/{ x; /^Uid:[[:space:]]*$1[[:space:]]/{ x; s/[^0-9]//g; p; }; }" \\
        /proc/[0-9]*/status | { count=0; while read -r more; do count=$((count + more)); done
    echo "$count"; }
}
make_cgroup() {
    own=$(sed -n 's/^[0-9]*:pids://p' /proc/self/cgroup)
    for at in "/sys/fs/cgroup/pids${own%/}" /sys/fs/cgroup; do
        cgroup=$at/${base##*/}-$$
        mkdir "$cgroup" || continue
        [ -e "$cgroup/pids.max" ] || echo +pids >"$at/cgroup.subtree_control"
        [ ! -e "$cgroup/pids.max" ] || ! echo "$most" >"$cgroup/pids.max" || return 0
        rmdir "$cgroup"
    done
    cgroup=
    return 1
}
{
    if [ "$(id -u)" != 0 ]; then
        tasks=$((most + $(count_tasks "$(id -u)")))
    elif systemd-run --scope --quiet -p "TasksMax=$most" true </dev/null >/dev/null; then
        scope="$(command -v systemd-run) --scope --quiet -p TasksMax=$most --"
    elif make_cgroup; then
        echo "$cgroup" >"$base/cgroup"
    fi
} 2>/dev/null
[ "$tasks$scope$cgroup" ] || fail "$cannot"
"""

_CANNOT = (
    "`limits.processes` cannot be kept on this target: its kernel does not count root's processes, "
    "and it has neither systemd nor a cgroup with the controller `pids` that can be written to; "
    "log in as another user"
)

OBEY = """\
[ -z "$cgroup" ] || echo 0 >"$cgroup/cgroup.procs" || exit 126
[ -z "$tasks" ] || ulimit -u "$tasks" 2>/dev/null || ulimit -p "$tasks" || exit 126
"""
"""What the process says that becomes the phase's shell; `$scope` stands before that."""


def prepare_task_limit(processes: int) -> str:
    """Return what finds out how a limit can be kept, and ends the phase where it cannot.

    It calls `fail`; before the phase's output is read.
    """
    return f"most={processes}\ncannot={shlex.quote(_CANNOT)}\n{_PREPARE}"
