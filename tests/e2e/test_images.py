"""The images of `examples/deploy/image`, built and run by a real podman, by its README's commands.

Their base is made of Debian's own Python, as it lies on this machine: nothing is fetched.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.cli import reference
from tests.podman import Podman, libraries
from tests.product import CHECKOUT, User
from tests.support import SCALE, free_port, require, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.packaging, pytest.mark.timeout(300)]

RECIPE = CHECKOUT / "examples/deploy/image"
COMMANDS = re.findall(r"^podman .*$", (RECIPE / "README.md").read_text(), re.MULTILINE)
BASE = "localhost/debian-python"
PYTHON, LIBRARY = Path("/usr/bin/python3"), Path("/usr/lib/python3.11")
LEFT_OUT = {"test", "idlelib", "ensurepip", "lib2to3", "pydoc_data", "tkinter"}
LIBRARIES = ("lib[cm]", "libdl", "libpthread", "librt", "libutil", "libresolv", "libnss_*")
LIBRARIES += ("libstdc++", "libgcc_s")

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: who}
spec:
  template:
    phases:
    - {name: who, commands: ['id -u', 'touch /kept || echo "the root is read-only"']}
"""


@pytest.fixture
def podman() -> Iterator[Podman]:
    require(LIBRARY.is_dir(), "Debian's python3")
    podman = Podman()
    try:
        podman("import", "-", BASE, content=python_image())
        yield podman
    finally:
        podman.close()


def python_image() -> bytes:
    """Return Debian's Python, its libraries, a shell and busybox, as a file system for podman."""
    programs = (PYTHON.resolve(), Path("/bin/dash"), *sorted(LIBRARY.glob("lib-dynload/*.so")))
    files = {path for each in programs for path in libraries(each)}
    files |= {path for name in LIBRARIES for path in Path("/lib").glob(f"*-linux-gnu/{name}.so.*")}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as image:
        for path in (PYTHON.resolve(), *sorted(files)):
            image.add(path.resolve(), str(path)[1:])
        image.add(LIBRARY, str(LIBRARY)[1:], filter=_without_what_nobody_imports)
        image.add("/bin/dash", "bin/sh")
        image.add("/bin/busybox", "bin/busybox")
        for name in ("chmod", "mkdir", "id", "touch", "ps"):
            image.addfile(_link(f"bin/{name}", "busybox"))
        image.addfile(_link("usr/bin/python3", PYTHON.resolve().name))
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        image.addfile(temporary)
    return packed.getvalue()


def _without_what_nobody_imports(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(entry.name).parts
    return (
        None
        if LEFT_OUT & set(parts) or any(part.startswith("config-3") for part in parts)
        else entry
    )


def _link(name: str, to: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    return entry


def documented(beginning: str, *replaced: tuple[str, str]) -> list[str]:
    """Return the README's command that begins so, with ours in place of theirs."""
    (command,) = [line for line in COMMANDS if line.startswith(beginning)]
    for theirs, ours in replaced:
        assert theirs in command
        command = command.replace(theirs, ours)
    return shlex.split(command)[1:]


def test_what_the_images_set_are_variables_that_the_program_reads() -> None:
    named = re.findall(r"\b(OPSICLE_\w+)=", (RECIPE / "Containerfile").read_text())
    documented = re.findall(r"OPSICLE_\w+", reference.render())

    of_launcher = "OPSICLE_CACHE_DIR"
    assert {"OPSICLE_SERVER_LISTEN", of_launcher} <= set(named)
    assert set(named) - {of_launcher} <= set(documented)


@pytest.mark.skipif(SCALE <= 1, reason="25 s of CPU, for two images: OPSICLE_TEST_SCALE=2")
def test_a_server_and_a_worker_in_the_images_carry_out_a_job_on_a_root_that_nobody_can_write(
    podman: Podman, new: Path, tmp_path: Path
) -> None:
    shutil.copy(new, tmp_path / "opsicle")
    shutil.copy(RECIPE / "Containerfile", tmp_path)
    bases = f"--build-arg SERVER_BASE={BASE} --build-arg WORKER_BASE={BASE}"
    here = f"--layers=false --network=none {bases} --file {tmp_path}/Containerfile {tmp_path}"
    for target in ("server", "worker"):
        where = ("--file Containerfile .", here)
        podman(*documented(f"podman build --format docker --target {target}", where))

    port, worker_port = free_port(), free_port()
    listen = " ".join(
        f"--env OPSICLE_SERVER_{name}=127.0.0.1:{number}"
        for name, number in (("LISTEN", port), ("WORKER_LISTEN", worker_port))
    )
    podman(
        *documented(
            "podman run --detach --name opsicle-server",
            (
                "--publish 8443:8443 --publish 8444:8444",
                f"--network=host --read-only-tmpfs=false {listen}",
            ),
            ("ops.example.com", "localhost"),
        )
    )
    wait_until(lambda: is_healthy(podman), what="the health check to find it ready")
    token = podman(*documented("podman exec opsicle-server python3 -c"))
    (tmp_path / "token").write_text(token)
    alice = User(tmp_path / "alice", "alice@example.com")
    password = ("--email", alice.email, "--password-file", str(alice.password_file))
    url = f"https://127.0.0.1:{port}"
    first = ("--token-file", str(tmp_path / "token"), "--org", "acme", *password)
    alice.cli("setup", "--server", url, *first)
    alice.cli("login", "--server", url, *password)

    join = tmp_path / "join"
    join.write_text(alice.json("workers", "token")["token"])
    join.chmod(0o644)
    podman(
        *documented(
            "podman run --detach --name opsicle-worker",
            ("--init", "--network=host --read-only-tmpfs=false"),
            ("./join", str(join)),
        )
    )
    (tmp_path / "who.yaml").write_text(TEMPLATE)
    alice.cli("templates", "push", str(tmp_path / "who.yaml"))
    shown = alice.json("run", "who", "--follow")

    assert shown["state"] == "succeeded"
    assert {"65532", "the root is read-only"} <= set(alice.cli("logs", shown["id"]).splitlines())
    for name in ("opsicle-server", "opsicle-worker"):
        (state,) = json.loads(podman("inspect", name))
        assert state["State"]["Running"]
        assert state["HostConfig"]["ReadonlyRootfs"]
        assert state["EffectiveCaps"] in (None, [])
    podman("stop", "opsicle-server")
    (state,) = json.loads(podman("inspect", "opsicle-server"))
    assert state["State"]["ExitCode"] == 0
    assert not is_healthy(podman)


def is_healthy(podman: Podman) -> bool:
    """Return what the image's health check says, which the README has as a command too."""
    checked = subprocess.run(
        ["podman", "healthcheck", "run", "opsicle-server"],
        env={**os.environ, **podman.environment}, capture_output=True, check=False,
    )  # fmt: skip
    return checked.returncode == 0
