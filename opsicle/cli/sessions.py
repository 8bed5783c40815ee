"""Which server a command speaks to, and as whom."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opsicle.cli.configuration import config_folder
from opsicle.cli.invocation import current
from opsicle.cli.terminal import has_reader, waiting
from opsicle.client.api import Api

if TYPE_CHECKING:
    from opsicle.client.saved_logins import SavedLogin, SavedLogins


def kept_sessions() -> SavedLogins:
    """Return the logins that this user has."""
    from opsicle.client.saved_logins import SavedLogins

    return SavedLogins(config_folder(os.environ))


def current_session() -> SavedLogin:
    """Return the login that the command uses.

    It is that of OPSICLE_SERVER and OPSICLE_TOKEN, or else the profile's.

    Raises NotAuthenticated where there is none.
    """
    from opsicle.client.saved_logins import require_session, session_from_environment

    return session_from_environment(os.environ) or require_session(
        kept_sessions().find(current().profile)
    )


def connect(session: SavedLogin | None = None) -> Api:
    """Return the server of a session, the current one unless told.

    While it lets us wait, the terminal shows that we do.
    """
    from opsicle.client.saved_logins import open_api

    api = open_api(session or current_session())
    api.connection.while_waiting = waiting
    if has_reader():
        from opsicle.cli.announced import tell_at_the_end

        tell_at_the_end(api, session or current_session())
    return api
