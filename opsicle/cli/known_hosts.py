"""Host keys from a `known_hosts` file, for commands about targets."""

from __future__ import annotations

import click

from opsicle.cli.input_files import FileName, read_start
from opsicle.domain.errors import InvalidInput
from opsicle.domain.known_hosts import MAX_KNOWN_HOSTS_BYTES, KnownHosts

known_hosts_option = click.option(
    "--known-hosts",
    metavar="FILE",
    type=FileName(),
    help="Take host keys from this file, as OpenSSH keeps them (`-`: stdin).",
)


def read_known_hosts(path: str) -> KnownHosts:
    """Return the hosts' keys in a file. Raises InvalidInput for one that cannot be read."""
    try:
        source = read_start(path, MAX_KNOWN_HOSTS_BYTES)
        return KnownHosts(source.decode())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
