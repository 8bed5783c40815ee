"""A site that stays, made from docs/operations/proxies.md alone.

Behind nginx, on the documented socket, with the shipped units.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.api.receivers import certified
from tests.e2e.targets import need
from tests.http.client import Client, trusting
from tests.http.test_monitoring import ask_socket
from tests.product import CHECKOUT, PASSWORD, Process, User, program
from tests.support import free_port, require, wait_until

pytestmark = pytest.mark.e2e

GUIDE = (CHECKOUT / "docs/operations/proxies.md").read_text()
DOCUMENT = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: large}
spec:
  template:
    phases:
    - {name: one, commands: ['true']}
"""


def documented(kind: str, holding: str) -> str:
    """Return the block of the guide of this kind that holds these words."""
    (block,) = [
        body for body in re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL) if holding in body
    ]
    return block


@dataclass
class Site:
    """What runs: the server under its own user, nginx under Debian's, and where people come."""

    folder: Path
    server: Process
    port: int
    ca: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def socket(self) -> Path:
        return self.folder / "run/http.sock"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    require(os.geteuid() == 0, "root, for a server and a proxy under users of their own")
    nginx = need(shutil.which("nginx", path="/usr/sbin:" + os.environ["PATH"]), "nginx-light")
    folder = Path(tempfile.mkdtemp(prefix="opsicle-site-"))
    folder.chmod(0o755)  # what pytest makes, only its own user can enter
    server = proxy = None
    try:
        port = free_port()
        certificate = certified(folder, "localhost")
        (folder / "company-ca.pem").write_text(certificate.ca_pem)
        server = start_server(folder, port)
        proxy = start_nginx(nginx, folder, port)
        yield Site(folder, server, port, folder / "company-ca.pem")
    finally:
        for process in (proxy, server):
            if process:
                print(process.log())
                process.stop()
        if (folder / "error.log").exists():
            print((folder / "error.log").read_text())
        shutil.rmtree(folder)


def start_server(folder: Path, port: int) -> Process:
    """Return the server with the guide's settings, run by nobody but with the proxy's group."""
    (folder / "run").mkdir(mode=0o755)
    settings = documented("toml", "socket_group")
    for theirs, ours in (
        ("/run/opsicle", f"{folder}/run"),
        ("https://ops.example.com", f"https://localhost:{port}"),
        ("0.0.0.0:8444", "127.0.0.1:0"),
    ):
        assert theirs in settings
        settings = settings.replace(theirs, ours)
    (folder / "etc").mkdir()
    (folder / "etc/opsicle.toml").write_text(settings)
    nobody, group = pwd.getpwnam("nobody"), grp.getgrnam("www-data")
    for name in ("data", "cache", "run"):
        (folder / name).mkdir(exist_ok=True)
        os.chown(folder / name, nobody.pw_uid, nobody.pw_gid)
    (folder / "cache").chmod(0o700)
    become = as_nobody(f"--groups={group.gr_gid}")
    server = Process(
        [*become, *program(), "server", "--data-dir", str(folder / "data")],
        folder,
        "server",
        {
            "OPSICLE_CONFIG_DIR": str(folder / "etc"),
            "OPSICLE_CACHE_DIR": str(folder / "cache"),
            "HOME": "/nonexistent",
        },
    )
    server.wait_for("opsicle server ready")
    return server


def as_nobody(groups: str) -> list[str]:
    """Return what makes a command run as nobody.

    Whatever is tested must be readable for everybody.
    """
    nobody = pwd.getpwnam("nobody")
    become = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", groups]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    starts = subprocess.run(
        [*become, *program(), "--version"], env=environment, capture_output=True, check=False
    )
    require(
        starts.returncode == 0,
        f"a Python and a program that nobody can read ({starts.stderr.decode()})",
    )
    return become


def start_nginx(nginx: str, folder: Path, port: int) -> Process:
    """Debian's nginx with the guide's block, its workers under Debian's own user."""
    block = documented("nginx", "proxy_http_version")
    for theirs, ours in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/ssl/ops.example.com.pem", str(folder / "server.pem")),
        ("/etc/ssl/private/ops.example.com.key", str(folder / "server.pem")),
        ("unix:/run/opsicle/http.sock", f"unix:{folder}/run/http.sock"),
    ):
        assert theirs in block
        block = block.replace(theirs, ours)
    own = (
        f"user www-data; daemon off; pid {folder}/nginx.pid; "
        f"error_log {folder}/error.log; events {{}}\n"
    )
    (folder / "nginx.conf").write_text(own + "http {\naccess_log off;\n" + block + "}\n")
    proxy = Process([nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)], folder, "nginx")

    def serves() -> bool:
        assert proxy.popen.poll() is None, proxy.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(serves, what="nginx to listen")
    return proxy


@pytest.fixture(scope="module")
def alice(site: Site, tmp_path_factory: pytest.TempPathFactory) -> User:
    """Return the first admin, who set up over the socket and logged in through the proxy."""
    alice = User(tmp_path_factory.mktemp("alice"), "alice@example.com")
    token = str(site.folder / "data/setup-token")
    first = [
        "--token-file",
        token,
        "--org",
        "acme",
        "--email",
        alice.email,
        "--password-file",
        str(alice.password_file),
    ]

    through_proxy = alice.attempt("setup", "--server", site.url, *first)
    assert through_proxy.returncode == 6, through_proxy.stderr
    assert "--ca-file" in through_proxy.stderr
    assert "--server unix:" in through_proxy.stderr

    assert "opsicle setup --server unix:/run/opsicle/http.sock --token-file" in GUIDE
    assert "opsicle login --server https://ops.example.com --email" in GUIDE
    alice.cli("setup", "--server", f"unix:{site.socket}", *first)
    alice.environment["OPSICLE_CA_FILE"] = str(site.ca)
    alice.cli(
        "login",
        "--server",
        site.url,
        "--email",
        alice.email,
        "--password-file",
        str(alice.password_file),
    )
    return alice


def test_the_site_can_be_set_up_over_its_socket_and_used_through_the_proxy(
    site: Site, alice: User
) -> None:
    assert alice.json("whoami")["server"] == site.url
    (session,) = alice.json("sessions", "list")
    assert session["address"] == "127.0.0.1", "nginx says who came, not that everybody is `local`"
    status = site.socket.stat()
    assert (status.st_mode & 0o777, grp.getgrgid(status.st_gid).gr_name) == (0o660, "www-data")


def test_a_browser_can_log_in_through_the_proxy(site: Site, alice: User) -> None:
    browser = Client(site.url, trusting(site.ca), {"Origin": site.url})
    body = {"email": alice.email, "password": PASSWORD, "kind": "browser"}

    answer = browser.post("/api/v1/login", body)

    assert answer.status == 200, answer
    assert answer.headers["Set-Cookie"].startswith("__Host-opsicle=")
    assert browser.post("/api/v1/login", body, Origin="https://elsewhere.example").status == 403


@pytest.mark.parametrize("size", [840 * 1024, 1024 * 1024])
def test_a_large_template_comes_through_the_proxy(
    site: Site, alice: User, tmp_path: Path, size: int
) -> None:
    comment = f"# {size}\n" + '# "é"\n' * (size // 7)
    path = tmp_path / "large.yaml"
    path.write_bytes((DOCUMENT + comment).encode()[:size].rpartition(b"\n")[0])

    assert alice.json("templates", "push", str(path))["name"] == "large"


def test_events_come_through_the_proxy_as_they_happen(
    site: Site, alice: User, tmp_path: Path
) -> None:
    token = alice.json("tokens", "create", "--name", "events")["token"]
    watcher = Client(site.url, trusting(site.ca), {"Authorization": f"Bearer {token}"})
    events = watcher.events("/api/v1/events")
    assert next(events) == {"retry": "1000"}
    assert next(events)["event"] == "changed"
    path = tmp_path / "small.yaml"
    path.write_text(DOCUMENT.replace("name: large", "name: small"))
    alice.cli("templates", "push", str(path))
    alice.cli("run", "small")

    assert next(events)["event"] == "changed"
    events.close()  # type: ignore[attr-defined]


def test_the_socket_serves_whoever_works_on_the_machine(site: Site, alice: User) -> None:
    assert ask_socket(site.socket, "/readyz")[0] == 200
    local = User(alice.folder / "local", alice.email)
    local.cli("login", "--server", f"unix:{site.socket}", "--email", local.email, "--password-file",
              str(local.password_file))  # fmt: skip
    assert local.json("whoami")["server"] == f"unix:{site.socket}"


def test_hangup_reads_the_settings_of_the_file_anew(site: Site) -> None:
    path = site.folder / "etc/opsicle.toml"
    path.write_text(path.read_text() + "log_retention_days = 7\nopen_orgs = true\n")

    site.server.popen.send_signal(signal.SIGHUP)

    wait_until(
        lambda: '"changed":["log_retention_days","open_orgs"]' in site.server.log(),
        what="the new settings",
    )
    path.write_text(path.read_text() + "log_retention_days = 8\n")  # twice: no TOML
    site.server.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: "settings not taken up" in site.server.log(), what="the warning")
    assert site.server.popen.poll() is None
    assert ask_socket(site.socket, "/readyz")[0] == 200


@pytest.mark.parametrize(("group", "code"), [("no-such-group", 2), ("root", 3)])
def test_a_group_that_cannot_have_the_socket_is_said_at_the_start(
    site: Site, group: str, code: int
) -> None:
    nobody = pwd.getpwnam("nobody")
    data = site.folder / f"other-{group}"
    data.mkdir()
    os.chown(data, nobody.pw_uid, nobody.pw_gid)
    options = ["--behind-proxy", "--listen", f"unix:{data}/x.sock", "--socket-group", group]
    options += ["--worker-listen", "127.0.0.1:0"]
    become = as_nobody("--clear-groups")
    cache = {"OPSICLE_CACHE_DIR": str(site.folder / "cache"), "HOME": "/nonexistent"}
    process = Process(
        [*become, *program(), "server", "--data-dir", str(data), *options],
        site.folder / "logs",
        f"group-{group}",
        cache,
    )

    assert process.popen.wait(60) == code, process.log()
    assert f"--socket-group {group}" in process.log()
    assert not (data / "x.sock").exists() or code == 3
