"""A podman of the tests' own: its storage and settings in a temporary folder, and an image."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.support import require

ALPINE = "docker.io/library/alpine:latest"
"""What the older documents ask for. Ours is a static busybox, and nothing is fetched."""

_BUSYBOX = Path("/bin/busybox")
_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
"""
_STORAGE = """
[storage]
driver = "{driver}"
graphroot = "{folder}/{driver}"
runroot = "{folder}/run"
"""
_SHELL = Path("/bin/dash")
"""Not busybox's own shell, which runs busybox's commands without looking for a file."""

_STAND_INS = {
    "nslookup": '#!/bin/sh\necho "Name: $1"\n',
    "wget": '#!/bin/sh\necho "content of $3"\n',
}
"""For the two commands of the older documents that would need the internet."""


class Podman:
    """Podman with its own storage in `folder`. `environment` is what makes a program use it.

    The folder's name is short: in the longer ones of some tests each container waited for 20 s,
    apparently as podman has sockets there, whose paths have to be short.
    """

    def __init__(self) -> None:
        require(
            os.geteuid() == 0 and all(map(shutil.which, ("podman", "runc"))) and _BUSYBOX.exists(),
            "root, and podman, runc and busybox-static: "
            "apt-get install podman runc busybox-static containernetworking-plugins",
        )
        folder = self.folder = Path(tempfile.mkdtemp(prefix="opsicle-podman-"))
        (folder / "containers.conf").write_text(_CONF)
        self.environment: Mapping[str, str] = {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }
        image = _image()
        try:
            self._begin("overlay", image)
        except AssertionError:  # it cannot be mounted here, as inside of some containers
            self._begin("vfs", image)

    def _begin(self, driver: str, image: bytes) -> None:
        """Use this way to keep images; with `vfs` each container takes twice as long to start."""
        storage = _STORAGE.format(folder=self.folder, driver=driver)
        (self.folder / "storage.conf").write_text(storage)
        self("import", "-", ALPINE, content=image)

    def __call__(self, *arguments: str, content: bytes | None = None) -> str:
        """Call podman, and return what it prints."""
        done = subprocess.run(
            ["podman", *arguments],
            input=content,
            capture_output=True,
            timeout=120,
            check=False,
            env={**os.environ, **self.environment},
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def containers(self, *filters: str) -> list[str]:
        """Return the names of all containers, ended ones too."""
        options = [option for each in filters for option in ("--filter", each)]
        return self("ps", "--all", "--format", "{{.Names}}", *options).split()

    def end_monitors(self) -> None:
        """End the monitors of calls into containers, which wait for a service that has ended."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    arguments = (entry / "cmdline").read_bytes()
                    if b"conmon\0" in arguments and os.fsencode(self.folder) in arguments:
                        os.kill(int(entry.name), signal.SIGKILL)

    def close(self) -> None:
        """Remove what is left of containers, and all the rest."""
        self.remove_containers()
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_containers(self) -> None:
        """Remove what is left of containers, running or not."""
        subprocess.run(
            ["podman", "rm", "--all", "--force"],
            capture_output=True,
            timeout=120,
            check=False,
            env={**os.environ, **self.environment},
        )


def _image() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as image:
        for folder in ("bin", "etc", "root", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            image.addfile(entry)
        image.add(_BUSYBOX, "bin/busybox")
        for path in (_SHELL, *libraries(_SHELL)):
            image.add(path.resolve(), "bin/sh" if path == _SHELL else str(path)[1:])
        names = subprocess.check_output([_BUSYBOX, "--list"], text=True, timeout=60).split()
        for name in sorted({*names} - {"busybox", "sh", *_STAND_INS}):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            image.addfile(entry)
        files = {f"bin/{name}": text for name, text in _STAND_INS.items()}
        files["etc/passwd"] = "root:x:0:0:root:/root:/bin/sh\n"
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, len(text)
            image.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def libraries(program: Path) -> list[Path]:
    """Return the shared libraries of a program of this machine, its loader among them."""
    told = subprocess.check_output(["ldd", program], text=True, timeout=60)
    return [Path(word) for word in told.split() if word.startswith("/")]
