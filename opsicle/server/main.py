"""The server as a process. `opsicle server` calls `run`, and nothing of the server is imported before it."""

from __future__ import annotations

from collections.abc import Callable

from opsicle.server.settings import ServerOptions


def run(options: ServerOptions, reread: Callable[[], ServerOptions]) -> None:
    """Serve until SIGTERM or SIGINT; returns once everything is closed. SIGHUP takes up what `reread` says then.

    Raises what a person can put right: Conflict (address or data folder in use, files damaged or of a newer program),
    InvalidInput (options), NotAllowed (folder, port), Unavailable (full disk).
    """
    options.check()
    # gevent replaces what blocks in the standard library, which must come before anything of it is used.
    from gevent import monkey

    monkey.patch_all()

    from opsicle.server.lifetime import Lifetime

    Lifetime(options, reread).run()
