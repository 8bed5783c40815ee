"""`opsicle automations trail`: what workers were ordered to do, and whether that verifies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsicle.cli.input_files import read_start
from opsicle.cli.invocation import current
from opsicle.cli.output import emit, print_table, shown_time
from opsicle.cli.root import VerbCommand
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import printable, say
from opsicle.wire.endpoints import automations as endpoints

if TYPE_CHECKING:  # which takes long to import, and is for this command alone
    from opsicle.client.order_trails import OrderVerdict, TrailVerdict
    from opsicle.security.order_key import OrderPublicKey

_MAX_KEY_BYTES = 64 * 1024
_SHOWN = 16
"""Characters of a digest and a signature in the table, by which one tells them apart."""


@click.command(cls=VerbCommand)
@click.argument("automation_id", metavar="ID")
@click.option(
    "--public-key",
    metavar="F",
    type=click.Path(dir_okay=False, path_type=Path, exists=True, allow_dash=True),
    help="Verify with this key alone: `order_key_pem` in a worker's identity.json.",
)
def trail(automation_id: str, public_key: Path | None) -> str | None:
    """Show which worker was ordered what and when, and verify the signatures here.

    Ends with an error if an order is not as it was signed, or if what the server has stored is not
    what was ordered. With --output json digests and signatures are whole.
    """
    from opsicle.client.order_trails import verify_trail

    pinned = _read_key(public_key) if public_key else None
    verdict = verify_trail(connect().call(endpoints.ORDERS, automation_id), pinned)
    _emit(verdict)
    if verdict.problems:
        return "failed"
    if verdict.orders and not pinned:
        say(
            "Checked with the public keys that the server gave. "
            "--public-key checks with the one that a worker has."
        )
    return None


def _read_key(file: Path) -> OrderPublicKey:
    from opsicle.security.order_key import OrderPublicKey

    return OrderPublicKey.load(read_start(file, _MAX_KEY_BYTES).decode(errors="replace"))


def _emit(verdict: TrailVerdict) -> None:
    count, bad = len(verdict.orders), verdict.problems
    emit(
        verdict,
        [
            ("automation", verdict.automation_id),
            ("orders", count),
            ("verdict", _in_words(count, bad)),
            ("not kept", [f"job {job}: ordered by an older version" for job in verdict.not_kept]),
            ("keys", list(dict.fromkeys(each.key for each in verdict.orders if each.key))),
        ],
    )
    if current().wants_json or not count:
        return
    click.echo()
    headings = [
        "ORDERED",
        "WORKER",
        "FENCE",
        "WHAT",
        "MANIFEST",
        "SIGNATURE",
        "DECIDED",
        "VERIFIES",
    ]
    print_table(headings, [[printable(cell) for cell in _row(each)] for each in verdict.orders])


def _in_words(count: int, bad: int) -> str:
    if bad:
        return f"DOES NOT VERIFY: {bad} of {count}"
    return "all verify" if count else "no worker was ordered anything that is kept"


def _row(order: OrderVerdict) -> list[str]:
    what = f"goes on: {order.goes_on}" if order.goes_on else "phases"
    return [
        shown_time(order.ordered_at) if order.ordered_at else "",
        order.worker,
        str(order.fence),
        "plan" if order.is_plan else what,
        order.manifest_digest[:_SHOWN],
        order.signature[:_SHOWN],
        ", ".join(order.decisions),
        f"NO: {order.problem}" if order.problem else "yes",
    ]
