"""`opsicle worker`: the agent that carries out automations."""

from __future__ import annotations

from pathlib import Path

import click

from opsicle.cli.input_files import FolderName
from opsicle.cli.root import VerbCommand
from opsicle.cli.terminal import read_token
from opsicle.domain.names import LABEL_KEY, LABEL_KEY_RULE, LABEL_VALUE, LABEL_VALUE_RULE
from opsicle.kit import logging


@click.command(cls=VerbCommand)
@click.option(
    "--data-dir",
    metavar="D",
    type=FolderName(),
    required=True,
    help="Folder for identity, journal and spool.",
)
@click.option(
    "--join",
    metavar="TOKEN",
    default="",
    help="Join token, needed until the worker has enrolled. "
    "Later it only tells where the server is, unspent.",
)
@click.option(
    "--join-file",
    metavar="FILE",
    help="File with the join token, `-` is stdin; no other user sees it there.",
)
@click.option(
    "--server-url",
    metavar="URL",
    multiple=True,
    help="Where the server is now, if it has moved. May be repeated: "
    "they are tried in turn, then the known ones.",
)
@click.option(
    "--name", metavar="N", default="", help="What it is called; the machine's name unless told."
)
@click.option(
    "--label",
    metavar="K=V",
    multiple=True,
    help="What it says of itself; people grant what counts. May be repeated.",
)
@click.option(
    "--slots",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Jobs at once; 4 unless told, 1 with --ephemeral.",
)
@click.option(
    "--run-as",
    metavar="USER",
    multiple=True,
    help="Run jobs as this user, not as the worker's own; for root. "
    "ORG=USER for one org's (by id). May be repeated.",
)
@click.option(
    "--allow-mount",
    metavar="PATH",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A folder of this machine that templates may show to their containers. May be repeated.",
)
@click.option(
    "--kept-mib",
    type=click.IntRange(0),
    default=10_240,
    metavar="N",
    help="Room for the workspaces that templates keep with `keepWorkspace`; 10240 unless told, "
    "0 keeps none.",
)
@click.option(
    "--ephemeral",
    is_flag=True,
    help="Leave after a job, or when idle: then its identity ends.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="How many jobs an ephemeral worker takes before it leaves; 1 unless told.",
)
@click.option(
    "--idle-seconds",
    type=click.IntRange(1, 86_400),
    metavar="N",
    help="After how long without a job an ephemeral worker leaves; 300 unless told.",
)
@click.option("--verbose", is_flag=True, help="Log more.")
def worker(  # noqa: PLR0913, PLR0917 - what a worker can be told
    data_dir: Path,
    join: str,
    join_file: str | None,
    server_url: tuple[str, ...],
    name: str,
    label: tuple[str, ...],
    slots: int | None,
    run_as: tuple[str, ...],
    allow_mount: tuple[Path, ...],
    kept_mib: int,
    jobs: int | None,
    idle_seconds: int | None,
    *,
    ephemeral: bool,
    verbose: bool,
) -> None:
    """Take jobs from a server and carry them out, until stopped.

    TERM (or Ctrl-C) lets running jobs finish, for an hour at most; a second one cancels them and
    ends within seconds.
    """
    from opsicle.worker.main import WorkerOptions, run

    if join_file:
        join = read_token(join, join_file, "--join", "--join-file")

    if not ephemeral and (jobs or idle_seconds):
        raise click.UsageError("--jobs and --idle-seconds are for --ephemeral")

    logging.configure(is_verbose=verbose)
    options = WorkerOptions(
        data_folder=data_dir,
        join=join.strip(),
        name=name,
        labels=labels_of(label),
        slots=slots or (1 if ephemeral else 4),
        ephemeral_jobs=(jobs or 1) if ephemeral else None,
        idle_seconds=idle_seconds or 300,
        run_as=run_as,
        kept_mib=kept_mib,
        allowed_mounts=tuple(_absolute(path) for path in allow_mount),
        server_urls=tuple(_url(url) for url in server_url),
    )
    run(options)


def _absolute(path: Path) -> Path:
    """Return the path, which is to say where it is from anywhere. Raises click.UsageError."""
    if not path.is_absolute() or not path.exists():
        raise click.UsageError(
            f"--allow-mount takes the absolute path of what is there, not `{path}`"
        )
    return path


def _url(text: str) -> str:
    """Return the address without a slash at its end.

    Raises click.UsageError unless it is an https:// URL.
    """
    from opsicle.worker.server_addresses import is_usable

    if not is_usable(text):
        raise click.UsageError(
            f"--server-url takes an address as in https://ops.example:8443, not `{text}`"
        )
    return text.rstrip("/")


def labels_of(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the labels by key. Raises click.UsageError."""
    labels: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or key in labels:
            raise click.UsageError(f"--label takes key=value, each key once, not `{text}`")
        if not LABEL_KEY.fullmatch(key):
            raise click.UsageError(f"the key in --label `{text}` must be {LABEL_KEY_RULE}")
        if not LABEL_VALUE.fullmatch(value):
            raise click.UsageError(f"the value in --label `{text}` must be {LABEL_VALUE_RULE}")
        labels[key] = value
    return labels
