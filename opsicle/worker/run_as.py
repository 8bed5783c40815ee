"""Carrying out jobs as another user of this machine.

So they cannot reach what the worker itself is.

The wall is the kernel's, between users: a job can neither read the worker's data folder (key,
journal, spool), nor its `/proc`, nor send it signals. It is no wall between two jobs of the same
user, nor does it keep the job from what that user may do by other ways, such as `sudo`.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from opsicle.domain.errors import InvalidInput
from opsicle.worker import process
from opsicle.worker.os_account import OsAccount
from opsicle.worker.verification import Refused


class JobAccounts(NamedTuple):
    """As whom jobs are carried out: `default` for each org that is not in `by_org` (ids).

    None is the worker's own.
    """

    default: OsAccount | None = None
    by_org: Mapping[str, OsAccount] = {}

    @property
    def has_separate_users(self) -> bool:
        """Whether jobs run as other users than the worker."""
        return self.default is not None or bool(self.by_org)

    def find(self, org_id: str) -> OsAccount | None:
        """Return the account for an org's jobs; None for the worker's own.

        Raises LookupError if the org has none.
        """
        account = self.by_org.get(org_id, self.default)
        if account is None and self.has_separate_users:
            raise LookupError(org_id)
        return account

    def get(self, org_id: str) -> OsAccount | None:
        """Return the account for an org's jobs, as `find`. Raises Refused if the org has none."""
        try:
            return self.find(org_id)
        except LookupError:
            raise Refused(
                "this worker runs each org's jobs as a user of its own, and has none for this org"
            ) from None

    def check_reach(self, folder: Path) -> None:
        """Raise InvalidInput unless each of these users may enter `folder`, which exists."""
        for account in {
            account.name: account for account in (self.default, *self.by_org.values()) if account
        }.values():
            for place in (*reversed(folder.absolute().parents), folder.absolute()):
                if not process.succeeds(
                    [b"/bin/sh", b"-c", b'cd "$0"', os.fsencode(place)], account
                ):
                    raise InvalidInput(
                        f"the user {account.name} may not enter {place}, "
                        "so that no job can run there",
                        hint="Let --data-dir be where others may pass through, "
                        "as /var/lib/opsicle-worker is.",
                    )


def find_accounts(run_as: Sequence[str]) -> JobAccounts:
    """Return the accounts that `--run-as` names.

    Each is `USER` for all orgs, or `ORG=USER` for the one with this id.

    Raises InvalidInput for a user that is absent or would be no wall, and where this process cannot
    become others.
    """
    default: OsAccount | None = None
    by_org: dict[str, OsAccount] = {}

    for text in run_as:
        org_id, separator, name = text.rpartition("=")
        if (separator and org_id in by_org) or (not separator and default):
            raise InvalidInput(f"--run-as says twice as whom to run jobs: {text}")
        if separator:
            by_org[org_id] = _find(name)
        else:
            default = _find(name)

    if run_as and os.geteuid() != 0:
        raise InvalidInput(
            f"only root can run jobs as another user, and this worker runs as user {os.geteuid()}",
            hint="Start it as root with --run-as; or leave that out: "
            "then jobs can do all that this user can, and read the worker's own key.",
        )

    return JobAccounts(default, by_org)


def _find(name: str) -> OsAccount:
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        raise InvalidInput(
            f"--run-as names the user `{name}`, whom this machine does not have"
        ) from None

    if entry.pw_uid in {0, os.geteuid()}:
        raise InvalidInput(
            f"--run-as names {entry.pw_name}, who can do all that the worker can: "
            "that would be no wall",
            hint="Make a user of its own for jobs, "
            "as with `useradd --system --create-home opsicle-jobs`.",
        )

    groups = [group.gr_gid for group in grp.getgrall() if entry.pw_name in group.gr_mem]
    return OsAccount(
        entry.pw_name, entry.pw_uid, entry.pw_gid, (entry.pw_gid, *groups), entry.pw_dir
    )
