"""Where the guide to standbys lets Litestream copy to: each of its settings, tried for real."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.e2e.litestream import litestream
from tests.product import CHECKOUT
from tests.ssh_servers import SshServer, ssh_server
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

REPLICAS = re.findall(
    r"^replica: .*$", (CHECKOUT / "docs/operations/standby.md").read_text(), re.MULTILINE
)
ENTRIES = 20


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "opsicle.db"
    with closing(apsw.Connection(str(path))) as db:
        db.pragma("journal_mode", "wal")
        db.execute("CREATE TABLE entries (number INTEGER)")
    return path


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path / "vault", "Subsystem sftp internal-sftp") as server:
        yield server


def written(folder: Path, kind: str, database: Path, *replaced: tuple[str, str]) -> Path:
    """Return a configuration with the guide's replica of a kind, with ours in place of theirs."""
    (replica,) = [each for each in REPLICAS if f"type: {kind}" in each]
    for theirs, ours in (*replaced, ("sync-interval: 1s", "sync-interval: 200ms")):
        assert theirs in replica
        replica = replica.replace(theirs, ours)
    path = folder / f"{kind}.yml"
    path.write_text(f"dbs:\n  - path: {database}\n    {replica}\n")
    return path


def restored(config: Path, database: Path, to: Path) -> subprocess.CompletedProcess[str]:
    to.unlink(missing_ok=True)
    command = [litestream(), "restore", "-config", config, "-o", to, database]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def entries_in(database: Path) -> int:
    with closing(apsw.Connection(str(database))) as db:
        return int(str(db.execute("SELECT count(*) FROM entries").fetchone()[0]))


def test_a_replica_behind_sftp_is_restored_and_another_host_gets_nothing(
    tmp_path: Path, database: Path, vault: SshServer
) -> None:
    at_vault = (
        ("vault.example.com:22", f"127.0.0.1:{vault.port}"),
        ("user: backup", f"user: {vault.user}"),
        ("/etc/opsicle/replica-key", str(vault.folder / "key")),
        ("/srv/replica", str(tmp_path / "replica")),
    )
    config = written(tmp_path, "sftp", database, *at_vault, ("ssh-ed25519 AAAA…", vault.host_key))
    copy = tmp_path / "copy.db"

    with (tmp_path / "log").open("wb") as log, closing(apsw.Connection(str(database))) as db:
        process = subprocess.Popen([litestream(), "replicate", "-config", config], stderr=log)
        try:
            for number in range(ENTRIES):
                db.execute("INSERT INTO entries VALUES (?)", (number,))
            wait_until(
                lambda: (
                    restored(config, database, copy).returncode == 0 and entries_in(copy) == ENTRIES
                ),
                60,
                "all entries to be behind SFTP",
            )
        finally:
            process.kill()
            process.wait()

    another = vault.make_key("another").with_suffix(".pub").read_text().split()[:2]
    config = written(
        tmp_path, "sftp", database, *at_vault, ("ssh-ed25519 AAAA…", " ".join(another))
    )
    refused = restored(config, database, copy)
    assert refused.returncode != 0
    assert "host key" in refused.stderr


def test_litestream_takes_the_settings_for_s3(tmp_path: Path, database: Path) -> None:
    config = written(tmp_path, "s3", database)

    done = subprocess.run(
        [litestream(), "databases", "-config", config], check=False, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == [str(database), "s3"]
