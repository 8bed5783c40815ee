"""What a login leaves behind: one file per profile, readable by its owner alone.

A profile's file outlives the logout without its token, because whom to trust was decided by a
person.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from urllib3.exceptions import InsecureRequestWarning

from opsicle.client.api import Api
from opsicle.client.connection import ApiConnection, parse_server
from opsicle.client.trust import (
    certificates,
    matching_certificate,
    parse_fingerprint,
    tls_context,
    unverified_context,
)
from opsicle.domain.errors import InvalidInput, NotAuthenticated, UsageError
from opsicle.kit import files
from opsicle.wire.endpoints.server import CA

_FROM_ENVIRONMENT = (
    "OPSICLE_SERVER",
    "OPSICLE_TOKEN",
    "OPSICLE_TOKEN_FILE",
    "OPSICLE_CA_FILE",
    "OPSICLE_CA_FINGERPRINT",
)
_PROFILE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SavedLogin(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A server and who one is there.

    `ca_pem` empty: the system's CAs are trusted; `token` empty: logged out.
    """

    server: str
    ca_pem: str = ""
    org: str = ""
    email: str = ""
    token: str = ""


class SavedLogins:
    """The profiles' files in the config folder."""

    def __init__(self, config_folder: Path) -> None:
        self._folder = config_folder / "sessions"

    def find(self, profile: str) -> SavedLogin | None:
        """Return the profile's session, None where there never was one.

        Raises InvalidInput for a file that is damaged.
        """
        try:
            return msgspec.json.decode(self._path(profile).read_bytes(), type=SavedLogin)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise InvalidInput(
                f"the session of profile `{profile}` cannot be read: {_reason(error)}",
                hint="Log in again.",
            ) from error

    def save(self, profile: str, session: SavedLogin) -> None:
        """Replace the profile's session as a whole, or leave it as it was.

        Raises InvalidInput if it cannot be kept.
        """
        path = self._path(profile)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.replace(path, msgspec.json.encode(session))
        except OSError as error:
            raise InvalidInput(
                f"the session cannot be kept: {_reason(error)}",
                hint="OPSICLE_CONFIG_DIR names another folder.",
            ) from error

    def _path(self, profile: str) -> Path:
        if not _PROFILE.fullmatch(profile):
            raise UsageError(
                "a profile's name is 1 to 64 of the characters a-z, A-Z, 0-9, `_` and `-`"
            )
        return self._folder / f"{profile}.json"


def open_api(session: SavedLogin) -> Api:
    """Return the server of a session, called with its token."""
    server = parse_server(session.server)
    context = tls_context(session.ca_pem) if server.scheme == "https" else None
    return Api(ApiConnection(server, token=session.token, context=context))


def session_from_environment(environment: Mapping[str, str]) -> SavedLogin | None:
    """Return the session that OPSICLE_SERVER and OPSICLE_TOKEN describe, or None without a token.

    OPSICLE_TOKEN_FILE names a file with the token. White space around any of these means nothing.
    OPSICLE_CA_FILE (PEM) or OPSICLE_CA_FINGERPRINT say whom to trust; without them the system's CAs
    are. Raises InvalidInput, or Unreachable where the server does not have that CA.
    """
    given = {name: environment.get(name, "").strip() for name in _FROM_ENVIRONMENT}
    server, token = (
        given["OPSICLE_SERVER"],
        given["OPSICLE_TOKEN"] or _token_in(given["OPSICLE_TOKEN_FILE"]),
    )

    if not token:
        return None
    if len(token.split()) != 1:
        raise NotAuthenticated(
            "OPSICLE_TOKEN has white space in it", hint="It is one word, as in opsu_…"
        )
    if not server:
        raise UsageError(
            "OPSICLE_TOKEN is set, but OPSICLE_SERVER is not",
            hint="A token is good for one server only.",
        )

    ca_pem = ""
    if path := given["OPSICLE_CA_FILE"]:
        ca_pem = read_ca(path)
    elif fingerprint := given["OPSICLE_CA_FINGERPRINT"]:
        ca_pem = fetch_ca(server, fingerprint)
    return SavedLogin(server=server, token=token, ca_pem=ca_pem)


def _token_in(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig").strip() if path else ""
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"OPSICLE_TOKEN_FILE cannot be read: {path}: {_reason(error)}"
        ) from error


def fetch_ca(server_url: str, fingerprint: str) -> str:
    """Fetch the CA certificate of that fingerprint, as PEM, from the server itself.

    Empty for plain HTTP.
    Raises InvalidInput for a malformed fingerprint, Unreachable if the server has no such CA.
    """
    expected = parse_fingerprint(fingerprint)
    server = parse_server(server_url)
    if server.scheme != "https":
        return ""
    return matching_certificate(unverified_ca(server_url), expected)


def unverified_ca(server_url: str) -> str:
    """Fetch the certificates that the server says are to be trusted.

    They are worth nothing until a person has said so.
    """
    with warnings.catch_warnings():
        # urllib3 warns of what is done knowingly here.
        warnings.simplefilter("ignore", InsecureRequestWarning)
        api = Api(ApiConnection(parse_server(server_url), context=unverified_context()))
        return api.call(CA).decode("ascii", "replace")


def require_session(session: SavedLogin | None) -> SavedLogin:
    """Return the session itself. Raises NotAuthenticated unless there is one with a token."""
    if session is None or not session.token:
        where = f" --server {session.server}" if session else " --server URL"
        raise NotAuthenticated(
            "you are not logged in", hint=f"Run `opsicle login{where} --email YOU`."
        )
    return session


def read_ca(path: str, read: Callable[[str], bytes] = lambda path: Path(path).read_bytes()) -> str:
    """Return the CA certificates in a file, as PEM. Raises InvalidInput."""
    try:
        text = read(path).decode("ascii")
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"the CA file {path} cannot be read: {_reason(error)}", hint="It must be PEM."
        ) from error
    if not certificates(text):
        raise InvalidInput(f"the CA file {path} holds no certificate", hint="It must be PEM.")
    return text


def _reason(error: Exception) -> str:
    return (
        error.strerror if isinstance(error, OSError) else None
    ) or "it is not what this program wrote"
