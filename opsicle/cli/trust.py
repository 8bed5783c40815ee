"""Whom a command believes to be its server.

`--ca-file`, `--ca-fingerprint`, what was remembered, or a person's word.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from opsicle.cli.input_files import read_start
from opsicle.cli.terminal import confirm, has_person, say
from opsicle.domain.errors import NotAllowed, Unreachable, UsageError
from opsicle.wire.endpoints.server import CA

_MAX_CA_BYTES = 256 * 1024


class Trust(NamedTuple):
    """What was said of the server's CA: a file that holds it, or its fingerprint."""

    ca_file: Path | None
    fingerprint: str | None


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options by which somebody says whom to trust; the command gets them as `trust`."""

    @functools.wraps(command)
    def with_trust(
        *arguments: Any, ca_file: Path | None, ca_fingerprint: str | None, **given: Any
    ) -> Any:
        return command(*arguments, trust=Trust(ca_file, ca_fingerprint), **given)

    options = (_ca_file, _ca_fingerprint)
    return functools.reduce(lambda decorated, option: option(decorated), options, with_trust)


_ca_file = click.option(
    "--ca-file",
    metavar="FILE",
    type=Path,
    envvar="OPSICLE_CA_FILE",
    help="CA certificates (PEM) to trust for this server instead of the system's; `-` is stdin.",
)

_ca_fingerprint = click.option(
    "--ca-fingerprint",
    metavar="sha256:…",
    envvar="OPSICLE_CA_FINGERPRINT",
    help="The server's CA, if this system does not know it; from `server.json` in its data folder.",
)


def normal(url: str) -> str:
    """Return a server's URL in the form in which it is kept."""
    from opsicle.client.connection import parse_server

    return parse_server(url).url


def ca_for_setup(url: str, trust: Trust, fingerprint: str) -> str:
    """Return the CA to verify a new server with, empty for the system's.

    `fingerprint` is that of the setup token.

    The token names the server's own CA. Where a proxy ends TLS before the server, its certificate
    comes from another one: then the system's CAs must know it, as they must for any browser.
    """
    from opsicle.client.trust import is_certificate_refused

    if trust.ca_file:
        return _read(trust.ca_file)
    for ca_pem in (*_own_ca(url, trust.fingerprint or fingerprint), ""):
        try:
            _try(url, ca_pem)
        except Unreachable as error:
            if not is_certificate_refused(error):
                raise
        else:
            return ca_pem
    raise Unreachable(
        f"the certificate at {url} comes neither from the server's own CA "
        "nor from one that this system knows",
        hint="If that is right: --ca-file with its CA. Behind a proxy, on its machine: "
        "--server unix:/path/to/socket.",
    )


def _own_ca(url: str, fingerprint: str) -> tuple[str, ...]:
    """Return the server's own CA, if it hands that one out.

    With a certificate of somebody else's (--tls-cert) it does not.
    """
    from opsicle.client.saved_logins import fetch_ca

    try:
        return (fetch_ca(url, fingerprint),)
    except Unreachable as error:
        if error.__cause__ is not None:  # the server itself was not reached
            raise
        return ()


def trusted_ca(url: str, trust: Trust, known_ca: str) -> str:
    """Return the CA to verify the server with, empty for the system's.

    A file or a fingerprint that is given decides; else what was remembered of this server; else the
    system. Where that does not know the server's CA, a person is shown its fingerprint and asked;
    without one nothing is trusted.
    """
    from opsicle.client.saved_logins import fetch_ca
    from opsicle.client.trust import is_unknown_issuer

    if trust.ca_file:
        return _read(trust.ca_file)
    if trust.fingerprint:
        return fetch_ca(url, trust.fingerprint)
    try:
        _try(url, known_ca)
    except Unreachable as error:
        if known_ca or not is_unknown_issuer(error):
            raise
        return _confirmed_ca(url)
    return known_ca


def _confirmed_ca(url: str) -> str:
    from opsicle.client.saved_logins import unverified_ca
    from opsicle.client.trust import certificates, fingerprint

    if not has_person():
        raise UsageError(
            f"this system does not know the CA of {url}: --ca-fingerprint is needed",
            hint="It is `ca_fingerprint` in `server.json` in the server's data folder.",
        )
    offered = certificates(unverified_ca(url))
    if not offered:
        raise Unreachable("the server offers no CA certificate", hint="Is this an Opsicle server?")
    say(
        f"This system does not know the CA of {url}. "
        f"Its fingerprint is\n\n  {fingerprint(offered[0])}\n"
    )
    say("Compare it with `ca_fingerprint` in `server.json` in the server's data folder.")
    if not confirm("Are they the same?", "--ca-fingerprint"):
        raise NotAllowed("the server's CA was not trusted, so nothing was sent to it")
    return offered[0]


def _read(path: Path) -> str:
    from opsicle.client.saved_logins import read_ca

    return read_ca(str(path), lambda name: read_start(name, _MAX_CA_BYTES))


def _try(url: str, ca_pem: str) -> None:
    """Ask the server for something that is no secret. Raises Unreachable."""
    from opsicle.client.saved_logins import SavedLogin, open_api

    open_api(SavedLogin(server=url, ca_pem=ca_pem)).call(CA)
