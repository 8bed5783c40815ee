"""`opsicle recover`: a way in for somebody who has lost every proof of who they are."""

from __future__ import annotations

from pathlib import Path

import click

from opsicle.cli.input_files import FolderName
from opsicle.cli.output import emit
from opsicle.cli.root import VerbCommand
from opsicle.cli.terminal import read_password


@click.command(cls=VerbCommand)
@click.option(
    "--data-dir", metavar="D", type=FolderName(), required=True, help="The server's data folder."
)
@click.option("--email", metavar="E", required=True, help="Whose account it is.")
@click.option(
    "--password-file", metavar="FILE", help="File that holds a new password; `-` is stdin."
)
def recover(data_dir: Path, email: str, password_file: str | None) -> None:
    """Let in somebody who has lost their app and recovery codes, while the server is stopped.

    Takes away the authenticator app, sets the password if one is given, and ends their sessions;
    API tokens stay. It stands in the record of each of their orgs. Run it as the user that the
    server runs as, or as root.
    """
    from opsicle.server.account_recovery import recover_account

    password = read_password(password_file, is_new=True) if password_file is not None else None
    done = recover_account(data_dir, email, password)
    emit(
        done._asdict(),
        [
            ("account", done.email),
            ("can log in to", done.orgs),
            ("authenticator app", "taken away" if done.had_app else "there was none"),
            ("password", "changed" if done.has_new_password else "as it was"),
        ],
    )
