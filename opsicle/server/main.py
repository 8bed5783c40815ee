"""The server as a process.

`opsicle server` calls `run`, and nothing of the server is imported before it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from opsicle.server.settings import ServerOptions


def run(options: ServerOptions, reread: Callable[[], ServerOptions]) -> None:
    """Serve until SIGTERM or SIGINT; returns once everything is closed.

    SIGHUP takes up what `reread` says then.

    Raises what a person can put right: Conflict (address or data folder in use, files damaged or of
    a newer program), InvalidInput (options), NotAllowed (folder, port), Unavailable (full disk).
    """
    options.check()
    # Nothing that starting makes is garbage: `Lifecycle` lets the collector look from then on.
    gc.disable()
    _patch_standard_library()

    from opsicle.server.lifecycle import Lifecycle

    Lifecycle(options, reread).run()


def _patch_standard_library() -> None:
    """Let gevent replace what blocks in the standard library, before anything of it is used.

    At each of some twenty events gevent would search all installed packages for plug-ins of its
    own. The file ships none, and the searches would be a third of the time that the server takes to
    be ready. The server starts no processes: what gevent has for that would be a megabyte.
    """
    from gevent import events, monkey

    events.notify_and_call_entry_points = events.notify  # type: ignore[attr-defined]
    monkey.patch_all(subprocess=False, signal=False)
