"""What browsers and the command line say and hear about orgs and who runs the server, as JSON; see `user_api.py`."""

from __future__ import annotations

import msgspec


class Org(msgspec.Struct, kw_only=True):
    """An org. `role` is the caller's there, None for one that they see only because they run the server.

    `is_current`: it is the one that the caller's session or token is for.
    """

    code: str
    name: str
    role: str | None = None
    is_current: bool = False


class CreateOrgRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Founds an org. `admin` is the e-mail address of its first admin; the caller unless told."""

    code: str
    name: str = ""
    admin: str = ""


class UpdateOrgRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Only what is given changes."""

    name: str | msgspec.UnsetType = msgspec.UNSET


class SwitchRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Begins a session in another org; the one that asks ends unless it `is_kept`."""

    is_kept: bool = False


class ProviderAdmin(msgspec.Struct, kw_only=True):
    """Somebody who runs the server."""

    id: str
    email: str
    name: str


class NameProviderAdminRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Lets the owner of an account run the server too."""

    email: str
