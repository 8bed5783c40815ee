"""The guides to operating a server, followed on one that runs, by the commands of their pages."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.restored_sites import Site
from tests.product import CHECKOUT, User

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def guide(name: str) -> str:
    return (CHECKOUT / f"docs/operations/{name}.md").read_text()


AUTOSCALING, CERTIFICATES, CHECKING, MOVING, OPERATOR = map(
    guide,
    ("autoscaling", "certificates", "checking-and-upgrading", "moving-the-server", "operator"),
)

RESUME, DELETE = "opsicle orgs resume globex", "opsicle orgs delete globex "
"""Commands of that page which stand twice, or ask somebody at a terminal."""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Return a folder on a disk: `doctor` finds fault with a server's data in memory."""
    with tempfile.TemporaryDirectory(prefix="opsicle-", dir="/var/tmp") as folder:
        yield Path(folder)


def test_a_server_is_looked_at_and_goes_to_another_machine(site: Site, tmp_path: Path) -> None:
    url = f"{site.server.url} --ca-file {site.data}/ca.pem"

    # It is looked at first.
    site.do_documented("opsicle backup /var")
    site.do_documented("opsicle restore /var/backups/opsicle.age --check")
    found = site.do_documented(
        "opsicle doctor --data-dir", CHECKING, {"https://ops.example.com": url}
    )
    assert "is ready" in found
    assert "none" in site.do_documented("opsicle upgrade --check --data-dir", CHECKING)
    site.installation.admin.cli("orgs", "create", "globex", "--name", "Globex")
    assert "globex" in site.do_documented("opsicle orgs list --all", OPERATOR)
    site.do_documented("opsicle orgs quota globex --automations-an-hour", OPERATOR)
    assert "500" in site.do_documented("opsicle orgs inspect globex", OPERATOR)
    site.do_documented("opsicle orgs quota globex --log-mib 0", OPERATOR)

    admin = site.installation.admin
    site.do_documented("opsicle announcements create 'Upgrade", OPERATOR)
    site.do_documented("opsicle announcements create 'Your disk", OPERATOR)
    assert "globex" in site.do_documented("opsicle announcements list", OPERATOR)
    for made in admin.json("announcements", "list"):
        ids = {"06h1wp4a1ax6k31tasb2fb9y9f": made["id"]}
        site.do_documented("opsicle announcements delete", OPERATOR, ids)

    for command in ("opsicle orgs suspend globex --reason", "opsicle orgs suspend globex --cancel"):
        site.do_documented(command, OPERATOR)
        admin.cli(*RESUME.split()[1:])
    assert admin.attempt(*DELETE.split()[1:]).returncode == 2
    site.do_documented("opsicle orgs delete globex --confirm", OPERATOR)
    site.do_documented("opsicle orgs resume globex  ", OPERATOR)

    # A worker that comes for a moment has its token from a file.
    join = tmp_path / "join"
    made = site.installation.admin.json(
        "workers", "token", "--uses", "2", "--label", "site=ams", "--to", str(join)
    )
    assert (made["token"], join.stat().st_mode & 0o777) == ("", 0o600)
    site.do_documented(
        "opsicle worker --ephemeral --join-file",
        AUTOSCALING,
        {"/run/secrets/join": join, "/tmp/opsicle-worker": tmp_path / "brief", "60": "1"},
    )
    (token,) = site.installation.admin.json("workers", "tokens")
    assert token["uses"] == 1
    site.do_documented("opsicle workers revoke-token ID", AUTOSCALING, {"ID": token["id"]})
    assert site.installation.admin.json("workers", "tokens") == []

    # Then it moves.
    known = site.run()
    site.wait_for(known, "succeeded")
    assert site.server.process.stop() == 0
    moved, machine = tmp_path / "move.tar", tmp_path / "machine"
    machine.mkdir()
    there = {"/root/opsicle-move.tar": moved, "var/lib/opsicle etc/opsicle": "data"}
    site.do_documented(
        "tar --create", MOVING, {"--directory /": f"--directory {site.server.folder}", **there}
    )
    there["--directory /"] = f"--directory {machine}"
    site.do_documented("tar --extract", MOVING, there | {"var/lib/opsicle etc/opsicle": ""})
    owner = {"opsicle:opsicle": f"{os.getuid()}:{os.getgid()}"}
    site.do_documented("chown -R", MOVING, owner | {"/var/lib/opsicle": machine / "data"})
    site.do_documented("rm -rf /var/lib/opsicle", MOVING, {"/root/opsicle-move.tar": moved})
    assert not site.data.exists()
    shutil.move(machine / "data", site.data)
    assert "copy" in site.refused()
    assert "opsicle server --data-dir /var/lib/opsicle --accept-restored" in MOVING
    facts = site.start("--accept-restored")

    assert (facts["held"], facts["epoch"]) == (True, 2)
    assert site.show(known)["state"] == "succeeded"
    site.do_documented("opsicle orgs release-queue", MOVING)
    site.wait_for(site.run(), "succeeded")


def test_a_certificate_of_ones_own_is_shown_to_people(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    ours = {"/etc/opsicle": folder, "ops.example.com": "localhost", "chgrp opsicle": "chgrp 0"}
    for command in ("openssl req -x509", "chgrp opsicle", "chmod 0640", "openssl verify -CAfile"):
        site.do_documented(command, CERTIFICATES, ours)
    site.server.process.stop()
    options = ("--tls-cert", f"{folder}/tls.pem", "--tls-key", f"{folder}/tls.key")
    site.start("--name", "localhost", *options)

    bob = User(tmp_path / "bob", "alice@example.com")
    people_url = f"https://localhost:{site.server.url.rpartition(':')[2].rstrip('/')}"
    people = {
        "https://ops.example.com:8443": people_url,
        "ada@example.com": bob.email,
        "/root/password": bob.password_file,
        "/etc/opsicle": folder,
    }
    site.do_documented("opsicle login --server", CERTIFICATES, people)

    site.access = replace(site.access, ca_pem=(folder / "tls.pem").read_text(), url=people_url)
    site.wait_for(site.run(), "succeeded")  # workers are not concerned
