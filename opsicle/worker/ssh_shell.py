"""The shell in which the keeper and the phase script are written; see ssh_scripts.py."""

FUNCTIONS = """\
in_sessions() {
    leaders=
    for file in "$base"/session.*; do leaders="$leaders|${file##*.}"; done
    [ "$leaders" = '|*' ] || grep -lE ") [^ZX] -?[0-9]+ -?[0-9]+ (${leaders#|}) " /proc/[0-9]*/stat
} 2>/dev/null
marked() { grep -l "OPSICLE_WORKSPACE=$base/" /proc/[0-9]*/environ; } 2>/dev/null
seconds() { read -r up rest </proc/uptime; echo "${up%%.*}"; }
numbers() { sed 's/[^0-9]//g'; }
ours() { { in_sessions; [ "$1" = sessions ] || marked; } | numbers; }
reached() {
    if [ -z "$spared" ]; then ours "$1"
    else marked | numbers | grep -vxF "$(in_sessions | numbers)"; fi
}
pause() {
    if [ "$tenths" -ge 10 ]; then sleep 1; else sleep "0.$tenths" || sleep 1; fi
    tenths=$((tenths * 2))
}
end_all() {
    tenths=1
    left=$(reached "$1")
    until=$(($(seconds) + $2))
    if [ "$2" -gt 0 ] && [ -n "$left" ]; then kill -TERM $left; kill -CONT $left; fi
    while [ "$(seconds)" -lt "$until" ] && [ -n "$(ours "$1")" ]; do pause; done
    tenths=1
    until=$(($(seconds) + 5))
    while left=$(ours "$1") && [ -n "$left" ] && [ "$(seconds)" -lt "$until" ]; do
        kill -KILL $left
        pause
    done
    left=$(set -- $left; echo $#)
} 2>/dev/null
"""
"""`end_all WHICH GRACE`: TERM, a grace in seconds, KILL, for `all` that this connection has started
or its phase's `sessions`; `left` says how many live on. Where `spared` is set, TERM is for no
session. It is never the whole job: after a lost connection, the job's next phase may run already
while the keeper of the lost one ends what it had.

In `/proc/PID/stat`, the fourth field behind the name is the session. One grep looks at all of them,
as `read` of a shell takes a system call for each byte.
"""

UNHEEDING = "trap '' HUP PIPE TERM INT\numask 077\n"

REMOVE = """\
remove_folder() {
    cd /
    ! grep -q " $1/" /proc/self/mountinfo || return 1
    chmod -R u+rwx "$1/work"
    rm -rf -- "$1"
} 2>/dev/null
for old in /tmp/opsicle-*/waiting; do
    old=${old%/waiting}
    if [ -O "$old" ] && [ ! -L "$old" ] && [ -n "$(find "$old/waiting" -prune -mtime +DAYS)" ]; then
        mv "$old/waiting" "$old/over" && remove_folder "$old"
    fi
done 2>/dev/null
"""
"""Also removes folders that nobody has come back to: whoever could have done it was gone."""

BEGIN = """\
mkdir "$base" "$base/work" || exit 3
"""

COME_BACK = """\
if [ ! -O "$base" ] || [ -L "$base" ] || ! mv "$base/waiting" "$base/taken" 2>/dev/null; then
    echo "$nonce gone"
    exit 3
fi
"""
"""Of several that want a folder one gets it, and none before its last keeper has let go of it."""

KEEPER = """\
mkfifo "$base/out" "$base/err" || exit 3
if mkdir "$private" 2>/dev/null; then ln -s "$private" "$base/private"
else mkdir "$base/private"; fi
if ! command -v setsid >/dev/null; then
    echo "there is no program setsid, by which what a phase has started is ended" >&2
    rm -rf -- "$base" "$private"
    exit 3
fi
stop_all() {
    at=$(($(seconds) + $1)) spared=
    term_containers "$at"
    rest=$((at - $(seconds)))
    end_all all "$((rest > 0 ? rest : 0))"
}
echo "$nonce ready"
is_over=
while read -r word grace; do
    case $word in
        stop) stop_all "$grace"; end_containers; echo "$nonce stopped $left" ;;
        end | leave) is_over=$word; break ;;
    esac
done
[ -n "$is_over" ] || stop_all "$last"
end_containers
remove_cgroup
cd /
if [ "$is_over" = leave ]; then
    rm -rf -- "$private" "$base/private" "$base/out" "$base/err" "$base/sent"
    : >"$base/waiting" && echo "$nonce waits"
    exit
fi
remove_folder "$base" || echo "$nonce kept"
rm -rf -- "$private"
if [ -e "$base" ]; then echo "$nonce stuck"; else echo "$nonce removed"; fi
"""
"""Words come as lines: `stop GRACE`, `leave`, `end`. Without one of the last two, the worker or the
way to it is gone."""

FAIL = """\
fail() { echo "opsicle: $1" >&2; echo "${2:-126}" >"$base/private/code"; exit 0; }
"""

PHASE = """\
[ -e "$base/work" ] || mkdir -m 700 "$base/work"
cd -P -- "$base/work" || fail "the workspace is no folder any more"
real=$(pwd -P)
cd -P -- "./$folder" 2>/dev/null || fail "there is no folder $folder in the workspace"
case $(pwd -P)/ in "$real"/*) ;; *) fail "the folder $folder is not within the workspace" ;; esac
exec 5>&2 2>/dev/null
cat <"$base/out" & out=$!
cat <"$base/err" >&5 & err=$!
exec 3>"$base/out" 4>"$base/err"
"""
"""What the phase prints comes through two pipes with names, by which its shell reaches them. They
are held open, as long as that lives, by this script too: it may close what it has of them."""

LEAD = ': >"$0/session.$$"; exec "$@"'
"""What becomes the phase's shell, as the leader of a session whose number is known."""

PHASE_END = """\
code=$?
[ -z "$(ours sessions)" ] || sleep 0.5 || sleep 1 # for who is about to make one of its own
end_all sessions "$last"
end_containers
rm -f "$base"/session.*
remove_cgroup
exec 3>&- 4>&-
(   asleep= is_over=
    trap 'is_over=1; [ -z "$asleep" ] || kill "$asleep"' TERM
    sleep "$last" 5>&- & asleep=$!
    [ -z "$is_over" ] || kill "$asleep" # it was before this shell knew the number
    wait "$asleep"
    [ -z "$is_over" ] || exit 0
    echo "opsicle: what a daemon prints is lost from here on" >&5
    kill "$out" "$err"
) >/dev/null 2>&1 </dev/null & killer=$!
wait "$out" "$err"
kill "$killer"
rm -f "$base"/private/secret.* "$base/private/first" "$base/script"
echo "$code" >"$base/private/code"
"""
