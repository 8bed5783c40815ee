"""Checking single fields of a request. What is wrong is named with the field's path."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from opsicle.domain.addresses import address_problem, name_problem
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.names import has_control_characters
from opsicle.domain.visible_text import visible

MAX_DESCRIPTION_CHARACTERS = 500
_ORG_CODE = re.compile(r"[a-z0-9][a-z0-9-]{1,31}")
SHARED_SCOPE = "provider"
"""What certificates of shared workers name in the place of an org's code, so that no org may have
it. The word is older than "server operator", and stays: the certificates of workers that have
enrolled name it."""

SERVICE_DOMAIN = ".service"
"""How the addresses of service accounts end, which no person's does: it is no domain of the
internet."""


def invalid(path: str, message: str, *, hint: str = "") -> InvalidInput:
    """Return the error for one field."""
    return InvalidInput(message, hint=hint, problems=(Problem(path, message),))


def email_address(text: str, path: str = "email") -> str:
    """Return a person's e-mail address in the form in which it is kept.

    Raises InvalidInput, also for a look-alike.

    That of a service account is none. Else one that was deleted could come back as a person, and
    its owner decide on what it had asked for.
    """
    email = text.strip().lower()
    if email.endswith(SERVICE_DOMAIN):
        raise invalid(
            path,
            f"an address with {SERVICE_DOMAIN} is a service account's",
            hint="As in ada@example.com.",
        )
    if problem := address_problem(email):
        raise invalid(path, f"the e-mail address {problem}", hint="As in ada@example.com.")
    return email


def org_code(text: str, path: str = "org") -> str:
    """Return an org's code. Raises InvalidInput."""
    if text == SHARED_SCOPE:
        raise invalid(
            path, f"the code {text} stands for the server itself", hint="Choose another one."
        )
    if not _ORG_CODE.fullmatch(text):
        raise invalid(
            path,
            "the org's code must be 2 to 32 of a-z, 0-9 and -, not beginning with -",
            hint="As in acme.",
        )
    return text


def in_utc(at: datetime, path: str) -> datetime:
    """Return a time in UTC. Raises InvalidInput for one at the very edge of the calendar."""
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise invalid(path, "is beyond the times that there are in UTC") from error


def name(text: str, limit: int) -> str:
    """Return a name that people give.

    One line that can be seen whole, "" if there is nothing in it. Raises InvalidInput.
    """
    stripped = text.strip()
    if len(stripped) > limit or has_control_characters(stripped) or visible(stripped) != stripped:
        raise invalid(
            "name", f"the name must be one line of at most {limit} characters, none of them hidden"
        )
    return stripped


def display_name(text: str, limit: int) -> str:
    """Return what a person is called, which must not look like what another one is.

    Return "" for nothing. Raises InvalidInput.
    """
    written = unicodedata.normalize("NFC", name(text, limit))
    if problem := name_problem(written):
        raise invalid("name", f"the name {problem}", hint="Write it in the letters of one script.")
    return written


def description(text: str) -> str:
    """Return what people say of a thing, without the white space around it. Raises InvalidInput."""
    if len(text) > MAX_DESCRIPTION_CHARACTERS:
        raise invalid(
            "description", f"the description has more than {MAX_DESCRIPTION_CHARACTERS} characters"
        )
    return text.strip()
