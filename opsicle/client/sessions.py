"""What a login leaves behind: one file per profile, readable by its owner alone.

A profile's file outlives the logout without its token, because whom to trust was decided by a person.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import msgspec
from urllib3.exceptions import InsecureRequestWarning

from opsicle.client.api import Api
from opsicle.client.connection import Connection, parse_server
from opsicle.client.trust import parse_fingerprint, tls_context, unverified_context, vouched_for
from opsicle.domain.errors import InvalidInput, NotAuthenticated, UsageError
from opsicle.kit import files

_PROFILE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Session(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A server and who one is there. `ca_pem` empty: the system's CAs are trusted; `token` empty: logged out."""

    server: str
    ca_pem: str = ""
    org: str = ""
    email: str = ""
    token: str = ""


class Sessions:
    """The profiles' files in the config folder."""

    def __init__(self, config_folder: Path) -> None:
        self._folder = config_folder / "sessions"

    def find(self, profile: str) -> Session | None:
        """The profile's session, None where there never was one. Raises InvalidInput for a file that is damaged."""
        try:
            return msgspec.json.decode(self._path(profile).read_bytes(), type=Session)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise InvalidInput(
                f"the session of profile `{profile}` cannot be read: {_reason(error)}", hint="Log in again."
            ) from error

    def save(self, profile: str, session: Session) -> None:
        """Replace the profile's session as a whole, or leave it as it was. Raises InvalidInput if it cannot be kept."""
        path = self._path(profile)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.replace(path, msgspec.json.encode(session))
        except OSError as error:
            raise InvalidInput(
                f"the session cannot be kept: {_reason(error)}", hint="OPSICLE_CONFIG_DIR names another folder."
            ) from error

    def _path(self, profile: str) -> Path:
        if not _PROFILE.fullmatch(profile):
            raise UsageError("a profile's name is 1 to 64 of the characters a-z, A-Z, 0-9, `_` and `-`")
        return self._folder / f"{profile}.json"


def open_api(session: Session) -> Api:
    """The server of a session, called with its token."""
    server = parse_server(session.server)
    context = tls_context(session.ca_pem) if server.scheme == "https" else None
    return Api(Connection(server, token=session.token, context=context))


def session_from_environment(environment: Mapping[str, str]) -> Session | None:
    """The session that OPSICLE_SERVER and OPSICLE_TOKEN describe, None where no token is there.

    OPSICLE_CA_FILE (PEM) or OPSICLE_CA_FINGERPRINT say whom to trust; without them the system's CAs are.
    Raises InvalidInput, or Unreachable where the server does not have that CA.
    """
    server, token = environment.get("OPSICLE_SERVER", ""), environment.get("OPSICLE_TOKEN", "")
    if not token:
        return None
    if not server:
        raise UsageError("OPSICLE_TOKEN is set, but OPSICLE_SERVER is not", hint="A token is good for one server only.")
    ca_pem = ""
    if path := environment.get("OPSICLE_CA_FILE"):
        ca_pem = _read_ca(Path(path))
    elif fingerprint := environment.get("OPSICLE_CA_FINGERPRINT"):
        ca_pem = fetch_ca(server, fingerprint)
    return Session(server=server, token=token, ca_pem=ca_pem)


def fetch_ca(server_url: str, fingerprint: str) -> str:
    """The CA certificate of that fingerprint, as PEM, fetched from the server itself; empty for plain HTTP.

    Raises InvalidInput for a malformed fingerprint, Unreachable if the server has no such CA.
    """
    expected = parse_fingerprint(fingerprint)
    server = parse_server(server_url)
    if server.scheme == "http":
        return ""
    return vouched_for(unverified_ca(server_url), expected)


def unverified_ca(server_url: str) -> str:
    """The certificates that the server says are to be trusted: worth nothing until a person has said so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureRequestWarning)  # urllib3's, of what we do with open eyes
        return Api(Connection(parse_server(server_url), context=unverified_context())).ca()


def logged_in(session: Session | None) -> Session:
    """The session itself. Raises NotAuthenticated unless there is one with a token."""
    if session is None or not session.token:
        where = f" --server {session.server}" if session else " --server URL"
        raise NotAuthenticated("you are not logged in", hint=f"Run `opsicle login{where} --email YOU`.")
    return session


def _read_ca(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"OPSICLE_CA_FILE cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is not what this program wrote"
