"""Where the guide to standbys lets Litestream copy to: each of its settings, tried for real."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.e2e.litestream import litestream
from tests.fetched import fetched
from tests.product import CHECKOUT
from tests.ssh_servers import SshServer, ssh_server
from tests.support import free_port, require, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

REPLICAS = re.findall(
    r"^replica: .*$", (CHECKOUT / "docs/operations/standby.md").read_text(), re.MULTILINE
)
ENTRIES = 20
S3_SERVER = Path(__file__).with_name("rclone.txt")
KEYS = {"LITESTREAM_ACCESS_KEY_ID": "replica", "LITESTREAM_SECRET_ACCESS_KEY": "hunter22"}


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


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """Return where a server that speaks as S3 does is, with the bucket of the guide."""
    require(platform.machine() in {"x86_64", "aarch64"}, "rclone, made for x86-64 and aarch64")
    (tmp_path / "buckets/opsicle-replica").mkdir(parents=True)
    address = f"127.0.0.1:{free_port()}"
    command = [fetched(S3_SERVER) / "bin/rclone", "serve", "s3", "--addr", address]
    command += ["--auth-key", ",".join(KEYS.values()), tmp_path / "buckets"]
    with (tmp_path / "s3-log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, env={"HOME": str(tmp_path)})
        try:
            wait_until(lambda: b"Starting s3 server" in (tmp_path / "s3-log").read_bytes())
            yield f"http://{address}"
        finally:
            process.kill()
            process.wait()


def written(folder: Path, kind: str, database: Path, *replaced: tuple[str, str]) -> Path:
    """Return a configuration with the guide's replica of a kind, with ours in place of theirs."""
    (replica,) = [each for each in REPLICAS if f"type: {kind}" in each]
    for theirs, ours in (*replaced, ("sync-interval: 1s", "sync-interval: 200ms")):
        assert theirs in replica
        replica = replica.replace(theirs, ours)
    path = folder / f"{kind}.yml"
    path.write_text(f"dbs:\n  - path: {database}\n    {replica}\n")
    return path


def restored(
    config: Path, database: Path, to: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    to.unlink(missing_ok=True)
    command = [litestream(), "restore", "-config", config, "-o", to, database]
    return subprocess.run(command, env=variables, check=False, capture_output=True, text=True)


def entries_in(database: Path) -> int:
    with closing(apsw.Connection(str(database))) as db:
        return int(str(db.execute("SELECT count(*) FROM entries").fetchone()[0]))


def replicate(config: Path, database: Path, copy: Path, **variables: str) -> None:
    """Let Litestream copy what comes into a database, until a restore has all of it."""
    with closing(apsw.Connection(str(database))) as db:
        process = subprocess.Popen(
            [litestream(), "replicate", "-config", config],
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=variables,
        )  # fmt: skip
        try:
            for number in range(ENTRIES):
                db.execute("INSERT INTO entries VALUES (?)", (number,))
            wait_until(
                lambda: (
                    restored(config, database, copy, **variables).returncode == 0
                    and entries_in(copy) == ENTRIES
                ),
                60,
                "all entries to be there",
            )
        finally:
            process.kill()
            process.wait()


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

    replicate(config, database, copy)

    another = vault.make_key("another").with_suffix(".pub").read_text().split()[:2]
    config = written(
        tmp_path, "sftp", database, *at_vault, ("ssh-ed25519 AAAA…", " ".join(another))
    )
    refused = restored(config, database, copy)
    assert refused.returncode != 0
    assert "host key" in refused.stderr


def test_a_replica_in_s3_is_restored_by_who_has_its_keys(
    tmp_path: Path, database: Path, bucket: str
) -> None:
    config = written(tmp_path, "s3", database, ("https://s3.example.com", bucket))
    copy = tmp_path / "copy.db"

    replicate(config, database, copy, **KEYS)

    assert list((tmp_path / "buckets/opsicle-replica/opsicle.db").rglob("*.ltx"))
    refused = restored(config, database, copy, **{**KEYS, "LITESTREAM_SECRET_ACCESS_KEY": "other"})
    assert refused.returncode != 0
    assert not copy.exists()
