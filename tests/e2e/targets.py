"""Real services for jobs to act on, each a private instance in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

from tests.product import Place
from tests.support import require, wait_until

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
PARENTS = ("/tmp/", "/dev/shm/")
"""Below what pytest makes its own folders."""
POSTGRES_USER = "postgres"


def need(tool: str | None, package: str) -> str:
    """Return the path of a program that a target needs.

    Fails in CI, skips on a laptop, where it is missing.
    """
    require(tool is not None, f"the package {package}")
    return str(tool)


@dataclass
class Nginx:
    """An nginx whose pages and configuration lie in `folder`.

    It listens on all addresses of its place, so that a worker can check the configuration in a
    place of its own, where the target's address does not exist; save for loopback, which is the
    same everywhere.
    """

    folder: Path
    place: Place
    port: int = 8080
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Nginx:
        binary = need(which("nginx", path="/usr/sbin:" + os.environ["PATH"]), "nginx-light")

        for name in ("conf.d", "html", "tmp"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "html/index.html").write_text("the old page\n")
        (self.folder / "conf.d/site.conf").write_text(self.site(f"root {self.folder}/html;"))

        self.conf.write_text(
            f"daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/error.log;\n"
            f"user {pwd.getpwuid(os.geteuid()).pw_name};\n"
            "events {}\nhttp { access_log off;\n"
            + "".join(
                f"{kind}_temp_path {self.folder}/tmp;\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            + f"include {self.folder}/conf.d/*.conf;\n}}\n"
        )

        self.process = subprocess.Popen(
            [*self.place.prefix, binary, "-c", str(self.conf), "-p", str(self.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self.page() == "the old page\n", what="nginx to serve")
        return self

    @property
    def conf(self) -> Path:
        return self.folder / "nginx.conf"

    @property
    def url(self) -> str:
        return f"http://{self.place.address}:{self.port}/"

    def site(self, directives: str) -> str:
        """Return a server block with these directives."""
        return f"server {{ listen {self.listen(self.port)}; {directives} }}\n"

    def listen(self, port: int) -> str:
        """Return what nginx's directive says for a port."""
        return f"127.0.0.1:{port}" if self.place.address == "127.0.0.1" else str(port)

    def page(self, url: str = "") -> str:
        """Return what a client in the target's own place is served; "" if nothing is."""
        code = (
            "import urllib.request as u; "
            f"print(u.urlopen({url or self.url!r}, timeout=60).read().decode(), end='')"
        )
        done = subprocess.run(
            [*self.place.prefix, "python3", "-c", code], capture_output=True, text=True, check=False
        )
        return done.stdout

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@dataclass
class Postgres:
    """A PostgreSQL cluster in `folder` that asks its own network for no passwords."""

    folder: Path
    place: Place
    port: int = 5432
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Postgres:
        candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self.bin = candidates[-1] if candidates else None
        need(str(self.bin) if self.bin and (self.bin / "initdb").exists() else None, "postgresql")
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            _open_up(self.folder)
            shutil.chown(self.folder, POSTGRES_USER)
        self._as_postgres(
            f"{self.bin}/initdb", "-D", f"{self.data}", "-U", "postgres", "-A", "trust", "-N"
        )
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 trust\n")
        self.process = subprocess.Popen(
            [*self.place.prefix, *self._identity(), f"{self.bin}/postgres", "-D", str(self.data),
             "-p", str(self.port), "-h", self.place.address, "-k", str(self.folder), "-F"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(
            lambda: self.sql("postgres", "SELECT 1", check=False) == "1", 60, "PostgreSQL to answer"
        )
        return self

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def sql(self, database: str, statement: str, *, check: bool = True) -> str:
        """Run SQL in the target's own place; answers the first column of the first row."""
        done = subprocess.run(
            [*self.place.prefix, "psql", "-h", self.place.address, "-p", str(self.port),
             "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-Atqc", statement],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.strip()

    def _identity(self) -> list[str]:
        """PostgreSQL refuses to run as root."""
        return (
            ["setpriv", "--reuid", POSTGRES_USER, "--regid", POSTGRES_USER, "--clear-groups"]
            if os.geteuid() == 0
            else []
        )

    def _as_postgres(self, *command: str) -> None:
        done = subprocess.run(
            [*self._identity(), *command],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        assert done.returncode == 0, done.stderr

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def _open_up(folder: Path) -> None:
    """Let another account walk to `folder`: pytest's own folders are for their owner alone."""
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and str(parent).startswith(PARENTS):
            parent.chmod(parent.stat().st_mode | 0o111)
