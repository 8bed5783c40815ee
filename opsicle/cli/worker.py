"""`opsicle worker`: the agent that carries out automations."""

from __future__ import annotations

from pathlib import Path

import click

from opsicle.cli.root import Command
from opsicle.cli.terminal import read_token


@click.command(cls=Command)
@click.option("--data-dir", metavar="D", type=Path, required=True, help="Folder for identity, journal and spool.")
@click.option("--join", metavar="TOKEN", default="", help="Join token, needed until the worker has enrolled.")
@click.option(
    "--join-file", metavar="FILE", help="File with the join token, `-` is stdin; no other user sees it there."
)
@click.option("--name", metavar="N", default="", help="What it is called; the machine's name unless told.")
@click.option("--label", metavar="K=V", multiple=True, help="What it says of itself. May be repeated.")
@click.option("--slots", type=click.IntRange(1, 1000), default=4, metavar="N", help="Jobs at once; 4 unless told.")
@click.option("--verbose", is_flag=True, help="Log more.")
def worker(data_dir: Path, name: str, label: tuple[str, ...], slots: int, *, verbose: bool, **given: str) -> None:
    """Take jobs from a server and carry them out, until stopped. TERM lets running jobs finish."""
    from opsicle.kit import logging
    from opsicle.worker.main import WorkerOptions, run

    join, join_file = given["join"], given["join_file"]
    if join_file:
        join = read_token(join, join_file, "--join", "--join-file")

    logging.configure(is_verbose=verbose)
    run(WorkerOptions(data_folder=data_dir, join=join.strip(), name=name, labels=_labels(label), slots=slots))


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    """The labels by key. Raises click.UsageError."""
    from opsicle.domain.names import LABEL_KEY, LABEL_KEY_RULE, LABEL_VALUE, LABEL_VALUE_RULE

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
