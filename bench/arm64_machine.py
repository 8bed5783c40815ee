"""A worker in a small arm64 machine, made by qemu, which joins a server on this one.

    .venv/bin/python -m bench.arm64_machine

The machine has Debian's kernel, and in its initial file system Debian's Python and the aarch64
file; its network is qemu's, which reaches this machine's loopback at 10.0.2.2. It needs root on
Debian, `qemu-system-arm`, 600 MB for the folder that `build.py nightly arm64` makes too, and 2 GB
of memory. Everything in the machine is emulated: the figures say that it works, not how fast.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import BinaryIO

from building import debian, nightly, zipapp
from building.debian import Package
from opsicle.security import join_token
from tests.product import Installation
from tests.support import free_port, wait_until

JOBS = 5
HOST = "10.0.2.2"
UP, READY = "machine is up", "opsicle worker ready"
START_SECONDS = 900
"""A hang guard: some minutes on a machine that does much else."""

PACKAGES = {
    "qemu-system-arm": Package("qemu-system-aarch64", "is the machine"),
    "ipxe-qemu": Package("/usr/lib/ipxe/qemu/efi-virtio.rom", "goes with its network card"),
}
MODULES = (
    "virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "failover", "net_failover", "virtio_net",
)  # fmt: skip
"""Of the network card, each behind those that it needs."""
LEFT_OUT = ("var", "boot", "usr/share", "lib/modules", "debootstrap", "usr/sbin")
TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: where}
spec: {template: {phases: [{name: where, commands: ['uname -m; sha256sum /opsicle']}]}}
"""

INIT = f"""#!/usr/bin/python3 -u
import ctypes, fcntl, os, socket, struct, subprocess, time
libc = ctypes.CDLL(None, use_errno=True)
for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp")):
    os.makedirs(place, exist_ok=True)
    libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)
given = dict(each.split("=", 1) for each in open("/proc/cmdline").read().split() if "=" in each)
up = float(open("/proc/uptime").read().split()[0])
time.clock_settime(time.CLOCK_REALTIME, float(given["began"]) + up)
print("{UP}", flush=True)
for name in {MODULES}:
    subprocess.run(["insmod", f"/modules/{{name}}.ko"], executable="/bin/kmod", check=True)
while len(cards := [name for _, name in socket.if_nameindex()]) < 2:
    time.sleep(0.1)
asked = socket.socket()
(card,) = (name for name in cards if name != "lo")
for name, address, mask in (("lo", "127.0.0.1", "255.0.0.0"), (card, "10.0.2.15", "255.255.255.0")):
    for call, value in ((0x8916, address), (0x891C, mask)):  # its address, its mask
        family = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
        fcntl.ioctl(asked, call, struct.pack("16s16s", name.encode(), family))
    fcntl.ioctl(asked, 0x8914, struct.pack("16sH14x", name.encode(), 0x41))  # it is up, and runs
os.environ.update(PATH="/usr/bin:/bin", HOME="/tmp", OPSICLE_CACHE_DIR="/tmp/cache")
print(os.uname(), flush=True)
command = ["/usr/bin/python3", "/opsicle", "worker", "--join-file", "/join", "--name", "arm64"]
done = subprocess.run([*command, "--data-dir", "/tmp/worker"], stdin=subprocess.DEVNULL)
print("the worker ended with", done.returncode, flush=True)
libc.reboot(0x4321FEDC)
"""


def main() -> int:
    """Boot, enrol, run jobs, and print how long each took; return 1 if one did not succeed."""
    debian.install_missing({**nightly.PACKAGES, **PACKAGES})
    system, program = nightly.folder("arm64"), zipapp.build("aarch64", anew=False)
    os.environ["OPSICLE_UNDER_TEST"] = str(zipapp.build(zipapp.host_platform(), anew=False))
    people, workers = free_port(), free_port()
    here = ("--listen", f"127.0.0.1:{people}", "--url", f"https://127.0.0.1:{people}")
    there = ("--worker-listen", f"127.0.0.1:{workers}", "--worker-url", f"https://{HOST}:{workers}")
    with tempfile.TemporaryDirectory(prefix="opsicle-arm64-", dir="/var/tmp") as name:
        folder = Path(name)
        options = (*here, *there, "--name", "127.0.0.1", "--name", HOST)
        with Installation(folder / "site", server_options=options) as installation:
            told = join_token.parse(installation.admin.json("workers", "token")["token"])
            join = replace(told, url=f"https://{HOST}:{people}").text  # as it is reached from there
            write_initial_files(folder / "initrd", system, program, join)
            began_at = time.monotonic()
            with machine(folder, system) as console:
                for text, what in ((UP, "kernel and init"), (READY, "enrolled and ready")):
                    wait_until(lambda text=text: said(console, text), START_SECONDS, what)  # type: ignore[misc]
                    print(f"{what}: {time.monotonic() - began_at:.0f} s", flush=True)
                return run_jobs(installation, folder)


def run_jobs(installation: Installation, folder: Path) -> int:
    """Run jobs one after the other; return 1 unless all succeed on an aarch64."""
    (folder / "where.yaml").write_text(TEMPLATE)
    admin = installation.admin
    admin.cli("templates", "push", str(folder / "where.yaml"))
    failed = False
    for _ in range(JOBS):
        began_at = time.monotonic()
        shown = admin.json("run", "where", "--follow")
        log = admin.cli("logs", shown["id"])
        is_there = shown["state"] == "succeeded" and "aarch64" in log
        print(f"job {shown['state']}: {time.monotonic() - began_at:.1f} s", flush=True)
        failed = failed or not is_there
    return int(failed)


@contextmanager
def machine(folder: Path, system: Path) -> Iterator[Path]:
    """Boot the machine; yield the file that has what it prints."""
    (kernel,) = (system / "boot").glob("vmlinuz-*")
    console = folder / "console"
    command = [
        str(which("qemu-system-aarch64")), "-machine", "virt", "-cpu", "cortex-a72", "-smp", "1",
        "-m", "2048", "-nographic", "-monitor", "none", "-no-reboot", "-kernel", str(kernel),
        "-initrd", str(folder / "initrd"), "-device", "virtio-net-pci,netdev=net",
        "-netdev", "user,id=net,restrict=off",
        "-append", f"console=ttyAMA0 quiet panic=-1 began={time.time():.3f}",
    ]  # fmt: skip
    with console.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            yield console
        except BaseException:
            print(console.read_text(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()


def said(console: Path, text: str) -> bool:
    """Return whether the machine has printed this. Raises RuntimeError if its worker has ended."""
    shown = console.read_text(errors="replace")
    if "the worker ended" in shown or "Kernel panic" in shown:
        raise RuntimeError("the machine ended")
    return text in shown


def write_initial_files(target: Path, system: Path, program: Path, join: str) -> None:
    """Write what the machine has at its start, in the kernel's own format (`newc` of cpio)."""
    with target.open("wb") as out:
        for path in sorted(system.rglob("*")):
            place = path.relative_to(system)
            if not any(place.is_relative_to(each) for each in LEFT_OUT):
                add_path(out, str(place), path)
        modules = system / "lib/modules"
        add(out, "modules", stat.S_IFDIR | 0o755)
        for name in MODULES:
            (module,) = modules.rglob(f"{name}.ko")
            add(out, f"modules/{name}.ko", stat.S_IFREG | 0o644, module.read_bytes())
        add(out, "opsicle", stat.S_IFREG | 0o755, program.read_bytes())
        add(out, "join", stat.S_IFREG | 0o600, join.encode())
        add(out, "init", stat.S_IFREG | 0o755, INIT.encode())
        add(out, "TRAILER!!!", 0)


def add_path(out: BinaryIO, name: str, path: Path) -> None:
    """Add a file, folder or link; nothing else is needed."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        add(out, name, mode, str(path.readlink()).encode())
    elif stat.S_ISREG(mode):
        add(out, name, mode, path.read_bytes())
    elif stat.S_ISDIR(mode):
        add(out, name, mode)


def add(out: BinaryIO, name: str, mode: int, content: bytes = b"") -> None:
    """Add one entry."""
    encoded = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
    out.write(bytes(-(110 + len(encoded)) % 4) + content + bytes(-len(content) % 4))


if __name__ == "__main__":
    sys.exit(main())
