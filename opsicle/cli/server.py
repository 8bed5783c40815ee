"""`opsicle server`: the application server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opsicle.cli.configuration import read_defaults
from opsicle.cli.input_files import FolderName
from opsicle.cli.root import VerbCommand
from opsicle.domain.errors import UsageError

_ARGUMENTS = "opsicle.arguments"
_FIELDS = {
    "name": "names",
    "standby_worker_url": "standby_worker_urls",
    "verbose": "is_verbose",
}
"""Where an option is called otherwise than its field of `ServerOptions`."""


class ServerCommand(VerbCommand):
    """The command, which can say again what it was started with."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, and keep them as they are."""
        ctx.meta[_ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def reread(self, ctx: click.Context) -> dict[str, Any]:
        """Return the options as they stand now.

        The arguments are as they were, the files may have changed.

        Raises click.UsageError, or a UsageError of ours for a file that cannot be used.
        """
        root = ctx.find_root()
        assert isinstance(root.command, click.Group)
        defaults = read_defaults(root.command).get("server", {})
        again = self.make_context(
            ctx.info_name, list(ctx.meta[_ARGUMENTS]), parent=ctx.parent, default_map=defaults
        )
        return again.params


@click.command(cls=ServerCommand)
@click.option(
    "--data-dir",
    metavar="D",
    type=FolderName(),
    required=True,
    help="Folder for keys, databases and logs.",
)
@click.option(
    "--listen", metavar="H:P", help="Where people's requests arrive; 0.0.0.0:8443 unless told."
)
@click.option(
    "--worker-listen",
    metavar="H:P",
    help="Where workers' requests arrive; 0.0.0.0:8444 unless told.",
)
@click.option(
    "--name",
    metavar="NAME",
    multiple=True,
    help="A name or address under which the server is reached; the first one stands in its URLs. "
    "May be repeated.",
)
@click.option(
    "--url",
    metavar="URL",
    help="What people's URL is, where a proxy or port mapping stands between.",
)
@click.option("--worker-url", metavar="URL", help="What the workers' URL is, likewise.")
@click.option(
    "--standby-worker-url",
    metavar="URL",
    multiple=True,
    help="Where workers find the server that takes over from this one; they try it once this one "
    "is away. May be repeated.",
)
@click.option(
    "--tls-cert",
    metavar="FILE",
    type=Path,
    help="Certificate (PEM, with its chain) instead of our own.",
)
@click.option("--tls-key", metavar="FILE", type=Path, help="The certificate's private key (PEM).")
@click.option(
    "--tls-min",
    type=click.Choice(["1.2", "1.3"]),
    help="The oldest TLS for people; 1.2 unless told.",
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="Speak plain HTTP to a proxy on this machine: loopback or unix:/path only.",
)
@click.option(
    "--plain-http",
    is_flag=True,
    hidden=True,
    help="For the demo: no TLS for people, on loopback only.",
)
@click.option(
    "--log-retention-days",
    type=click.IntRange(min=1),
    metavar="DAYS",
    help="How long logs are kept; 90 unless told.",
)
@click.option(
    "--ephemeral-silent-seconds",
    type=click.IntRange(min=30),
    metavar="N",
    help="Ephemeral workers of whom nothing is heard for so long are ended; 300 unless told.",
)
@click.option(
    "--job-log-mib",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="The most that one job may log, 1024 unless told; "
    "it goes on, and what it prints beyond is only counted.",
)
@click.option(
    "--org-logs-mib",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="The most that all logs of one org take on disk, 20480 unless told; the oldest go first.",
)
@click.option(
    "--artifact-retention-days",
    type=click.IntRange(min=7),
    metavar="DAYS",
    help="How long files that jobs leave behind are kept; 90 unless told.",
)
@click.option(
    "--artifact-mib",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="The largest file that a job may leave behind or be given; 100 unless told.",
)
@click.option(
    "--job-artifacts-mib",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="The most that all files that one job leaves may have together, and those that one "
    "person has uploaded and not used; 1024 unless told.",
)
@click.option(
    "--org-artifacts-mib",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="The most that the files of all jobs of one org take on disk, 20480 unless told; "
    "artifacts older than a week make room for new ones.",
)
@click.option(
    "--audit-retention-days",
    type=click.IntRange(min=1),
    metavar="DAYS",
    help="How long audit entries are kept; for ever unless told.",
)
@click.option(
    "--automation-retention-days",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="How long automations that have ended are kept; 365 unless told, 0 for ever.",
)
@click.option(
    "--automation-retention-count",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many automations that have ended each org keeps at most; any number unless told.",
)
@click.option(
    "--compact",
    is_flag=True,
    help="Write the databases anew at this start, which makes them small again.",
)
@click.option(
    "--master-key-file",
    metavar="FILE",
    type=Path,
    envvar=["OPSICLE_SERVER_MASTER_KEY_FILE", "OPSICLE_MASTER_KEY_FILE"],
    help="The key under which secrets are encrypted; D/master.key unless told.",
)
@click.option(
    "--open-orgs",
    is_flag=True,
    help="Let everybody who is logged in found orgs, not server operators alone.",
)
@click.option(
    "--accept-restored",
    is_flag=True,
    help="Take a data folder that was restored or copied and holds less than its server had; "
    "the queue is then held. "
    "Where it is held already, release it.",
)
@click.option(
    "--allow-egress",
    metavar="CIDR",
    multiple=True,
    help="A network that is not public and that orgs may let their channels reach; "
    "none unless told. May be repeated.",
)
@click.option(
    "--metrics-listen",
    metavar="H:P",
    help="Where /metrics is shown without a login, in plain HTTP: loopback or unix:/path only; "
    "nowhere unless told.",
)
@click.option(
    "--socket-group",
    metavar="GROUP",
    help="The group that may connect to a unix: socket, such as the proxy's.",
)
@click.option(
    "--forward-syslog",
    metavar="H:P",
    help="A collector to which the record is forwarded, as syslog over TLS (RFC 5424, RFC 5425).",
)
@click.option(
    "--forward-syslog-ca",
    metavar="FILE",
    type=Path,
    help="The CA of the collector's certificate (PEM); the system's CAs unless told.",
)
@click.option(
    "--forward-file",
    metavar="FILE",
    type=Path,
    help="A file to which the record is forwarded, as a line of JSON for each entry.",
)
@click.option(
    "--replica",
    metavar="FOLDER",
    type=Path,
    help="The folder in which Litestream keeps a standby's replica of the databases: looked at "
    "for how far it is behind.",
)
@click.option("--verbose", is_flag=True, help="Log every request too.")
@click.pass_context
def server(ctx: click.Context, /, **given: Any) -> None:
    """Run the application server.

    The first start makes keys, a CA and the one-time token for `opsicle setup`. SIGTERM stops it,
    SIGHUP makes it read certificates and settings anew.
    """
    # Importing it makes gevent replace what blocks, which must come before anything imports ssl.
    from opsicle.server import main
    from opsicle.server.settings import ServerOptions

    def reread() -> ServerOptions:
        assert isinstance(ctx.command, ServerCommand)
        try:
            return ServerOptions(**_fields(ctx.command.reread(ctx)))
        except click.UsageError as error:
            raise UsageError(error.format_message()) from error

    main.run(ServerOptions(**_fields(given)), reread)


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given, by the fields of `ServerOptions`."""
    return {
        _FIELDS.get(option, option): value for option, value in given.items() if value is not None
    }
