"""`opsicle server`: the application server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opsicle.cli.root import Command

_FIELDS = {"name": "names", "verbose": "is_verbose"}
"""Where an option is called otherwise than its field of `ServerOptions`."""


@click.command(cls=Command)
@click.option("--data-dir", metavar="D", type=Path, required=True, help="Folder for keys, databases and logs.")
@click.option("--listen", metavar="H:P", help="Where people's requests arrive; 0.0.0.0:8443 unless told.")
@click.option("--worker-listen", metavar="H:P", help="Where workers' requests arrive; 0.0.0.0:8444 unless told.")
@click.option(
    "--name",
    metavar="NAME",
    multiple=True,
    help="A name or address under which the server is reached; the first one stands in its URLs. May be repeated.",
)
@click.option("--url", metavar="URL", help="What people's URL is, where a proxy or port mapping stands between.")
@click.option("--worker-url", metavar="URL", help="What the workers' URL is, likewise.")
@click.option("--tls-cert", metavar="FILE", type=Path, help="Certificate (PEM, with its chain) instead of our own.")
@click.option("--tls-key", metavar="FILE", type=Path, help="The certificate's private key (PEM).")
@click.option(
    "--behind-proxy", is_flag=True, help="Speak plain HTTP to a proxy on this machine: loopback or unix:/path only."
)
@click.option("--plain-http", is_flag=True, hidden=True, help="For the demo: no TLS for people, on loopback only.")
@click.option(
    "--log-retention-days", type=click.IntRange(min=1), metavar="DAYS", help="How long logs are kept; 90 unless told."
)
@click.option(
    "--audit-retention-days",
    type=click.IntRange(min=1),
    metavar="DAYS",
    help="How long audit entries are kept; for ever unless told.",
)
@click.option(
    "--master-key-file",
    metavar="FILE",
    type=Path,
    envvar=["OPSICLE_SERVER_MASTER_KEY_FILE", "OPSICLE_MASTER_KEY_FILE"],
    help="The key under which secrets are encrypted; D/master.key unless told.",
)
@click.option("--open-orgs", is_flag=True, help="Let everybody who is logged in found orgs, not provider admins alone.")
@click.option(
    "--accept-restored",
    is_flag=True,
    help="Take a data folder that was restored or copied and holds less than its server had; the queue is then held. "
    "Where it is held already, release it.",
)
@click.option("--verbose", is_flag=True, help="Log every request too.")
def server(**given: Any) -> None:
    """Run the application server.

    The first start makes keys, a CA and the one-time token for `opsicle setup`.
    """
    # Importing it makes gevent replace what blocks, which must come before anything imports ssl.
    from opsicle.server import main
    from opsicle.server.settings import ServerOptions

    given = {_FIELDS.get(option, option): value for option, value in given.items() if value is not None}
    main.run(ServerOptions(**given))
