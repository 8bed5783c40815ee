"""The built file unpacks itself at its first start: into a safe place, once, and all or nothing."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from building import launcher
from tests.packaging.conftest import UNSHARE, Start
from tests.support import wait_until

pytestmark = pytest.mark.packaging

EMPTY_VAR_TMP = "mount -t tmpfs tmpfs /var/tmp"
READ_ONLY_HOME = (
    'home=$(eval echo ~$(id -un)) && mount --bind "$home" "$home"'
    ' && mount -o remount,bind,ro "$home"'
)


@pytest.mark.parametrize(
    "home", [None, "", "/nonexistent", "/proc"], ids=["missing", "empty", "absent", "unwritable"]
)
def test_it_starts_without_a_home_to_write_to(
    start: Start, environment: dict[str, str], home: str | None
) -> None:
    del environment["OPSICLE_CACHE_DIR"], environment["HOME"]
    if home is not None:
        environment["HOME"] = home

    result = start("--version", before=f"{READ_ONLY_HOME} && {EMPTY_VAR_TMP}")

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("opsicle ")


def test_it_loads_nothing_that_is_installed_beside_python(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    beside = tmp_path / "site-packages"
    beside.mkdir()
    (beside / "typing_extensions.py").write_text("raise SystemExit('loaded what is foreign')")
    environment["PYTHONPATH"] = str(beside)

    result = start("server", "--help")  # msgspec takes typing_extensions where there is one

    assert result.returncode == 0, result.stderr


def test_a_server_finds_all_its_modules_compiled_and_a_command_compiles_what_it_needs(
    start: Start, environment: dict[str, str], cache: Path
) -> None:
    """A server that compiled them itself would stay the larger for it."""
    environment["PYTHONVERBOSE"] = "1"

    assert start("--version").returncode == 0
    by_command = compiled_in(cache)
    server = start("server", "--help")

    assert "/opsicle/cli/__init__" in by_command
    assert "/opsicle/server/lifecycle" not in by_command
    assert {"/opsicle/server/lifecycle", "/yaml/loader"} <= compiled_in(cache)
    assert server.returncode == 0
    assert server.stderr.count("import 'opsicle.cli' # ") == 1, "what compiles imports nothing"
    assert "import 'compileall'" not in server.stderr.rpartition("import 'site'")[2]


def compiled_in(cache: Path) -> set[str]:
    """Return what is compiled of what was unpacked, without version and ending."""
    modules = cache.glob("*/files/site-packages")
    return {
        str(path.parent.parent / path.name.partition(".")[0]).removeprefix(str(folder))
        for folder in modules
        for path in folder.rglob("*.pyc")
    }


@pytest.mark.parametrize("content", [b"\x7fELF of another machine", None])
def test_a_start_goes_on_where_the_program_cannot_be_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    emulated = tmp_path / "python3"
    if content:
        emulated.write_bytes(content)
        emulated.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(emulated) if content else "")

    launcher.start_anew()


def test_it_unpacks_under_home_where_nobody_else_can_read(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["OPSICLE_CACHE_DIR"]
    result = start("--version")

    assert result.returncode == 0, result.stderr
    assert (tmp_path / ".cache" / "opsicle").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702], ids=oct)
def test_a_folder_that_others_can_write_is_refused(start: Start, cache: Path, mode: int) -> None:
    cache.mkdir()
    cache.chmod(mode)

    refused(start("--version"), "only this user can write")
    assert list(cache.iterdir()) == []


def test_a_folder_from_which_modules_cannot_be_loaded_is_refused(start: Start, cache: Path) -> None:
    cache.mkdir(mode=0o700)
    refused(
        start("--version", before=f"mount -t tmpfs -o noexec,mode=700 tmpfs {cache}"),
        "OPSICLE_CACHE_DIR",
    )


def test_a_link_that_somebody_left_in_the_shared_tmp_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert launcher.is_safe(str(tmp_path / "real"))
    assert not launcher.is_safe(str(tmp_path / "link"))


def test_a_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
        assert not launcher.is_safe(str(tmp_path))
    else:
        assert not launcher.is_safe("/usr")


@pytest.mark.parametrize("others_can_write", ["", "folder", "unpacked"])
def test_what_root_has_unpacked_for_all_is_used_unless_others_could_have_changed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others_can_write: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("this needs root")
    monkeypatch.setattr(launcher, "unpacked_name", lambda: "unpacked")
    folder = tmp_path / "folder"
    (folder / "unpacked/files").mkdir(parents=True)
    assert not launcher.was_filled_by_root(str(folder)), "it is not whole"
    (folder / "unpacked" / launcher.SEAL).touch()
    if others_can_write:
        (tmp_path / "folder" / others_can_write.replace("folder", ".")).chmod(0o777)

    is_used = launcher.was_filled_by_root(str(folder))

    assert is_used == (others_can_write == "")


def test_a_full_disk_is_said_in_one_line(start: Start, cache: Path) -> None:
    cache.mkdir(mode=0o700)
    refused(
        start("--version", before=f"mount -t tmpfs -o size=5m,mode=700 tmpfs {cache}"),
        "No space left on device",
    )


def test_a_damaged_file_is_said_in_one_line(
    built: Path, environment: dict[str, str], cache: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "opsicle"
    content = bytearray(built.read_bytes())
    for place in range(100_000, len(content) - 2_000_000, 100_000):
        content[place] ^= 0xFF
    damaged.write_bytes(content)

    result = subprocess.run(
        [sys.executable, damaged, "--version"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    refused(result, "is damaged, fetch it again")
    assert builds_in(cache) == []


def test_a_python_without_lzma_is_told_what_is_missing(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "lzma.py").write_text("raise ImportError")
    environment["PYTHONPATH"] = str(tmp_path)

    refused(start("--version"), "lzma")


def test_only_what_this_python_can_load_is_unpacked(start: Start, cache: Path) -> None:
    start("--version")

    compiled = {path.name.split(".")[1] for path in cache.rglob("*.cpython-*.so")}
    assert [name.split("-")[1] for name in compiled] == [sys.implementation.cache_tag[8:]]


def test_starts_at_the_same_moment_unpack_once_and_all_succeed(
    built: Path, environment: dict[str, str], cache: Path
) -> None:
    command = [sys.executable, str(built), "--version"]
    starts = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    outputs = {process.communicate(timeout=60)[0] for process in starts}
    assert [process.returncode for process in starts] == [0, 0, 0, 0]
    assert len(outputs) == 1
    assert len(builds_in(cache)) == 1


def test_after_a_start_that_was_killed_half_way_the_next_one_works(
    built: Path, environment: dict[str, str], cache: Path, start: Start
) -> None:
    process = subprocess.Popen(
        [sys.executable, built, "--version"], env=environment, stdout=subprocess.DEVNULL
    )
    wait_until(
        lambda: list(cache.glob(".unpacking/files/site-packages/c*")), what="the first files"
    )
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert builds_in(cache) == []
    assert start("--version").returncode == 0
    assert not (cache / ".unpacking").exists()


def test_a_folder_that_lost_files_to_a_cleaner_is_unpacked_anew(start: Start, cache: Path) -> None:
    start("--version")
    (unpacked,) = builds_in(cache)
    (unpacked / "unpacked").unlink()
    (unpacked / "files" / "site-packages" / "opsicle" / "__init__.py").unlink()

    assert start("--version").returncode == 0


def test_older_builds_are_removed_save_two_and_those_in_use(start: Start, cache: Path) -> None:
    cache.mkdir(mode=0o700)
    for age in range(1, 6):
        older = cache / f"build-{age}"
        older.mkdir()
        os.utime(older, (1_000_000_000 - age, 1_000_000_000 - age))
    in_use = os.open(cache / "build-4", os.O_RDONLY)
    fcntl.flock(in_use, fcntl.LOCK_SH)

    assert start("--version").returncode == 0
    os.close(in_use)

    left = {path.name for path in builds_in(cache) if path.name.startswith("build-")}
    assert left == {"build-1", "build-2", "build-4"}


def refused(result: subprocess.CompletedProcess[str], reason: str) -> None:
    """Check that it ended with one line that says why."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("opsicle: ")
    assert reason in result.stderr


def builds_in(cache: Path) -> list[Path]:
    """Return the unpacked builds, without what is unfinished."""
    return [path for path in cache.iterdir() if path.is_dir() and not path.name.startswith(".")]


NOBODY_KNOWN = "mount --bind /dev/null /etc/passwd"
"""As in a container that is started under a user id of its own."""


def test_a_member_of_a_container_that_knows_no_users_can_start_it(
    start: Start, environment: dict[str, str]
) -> None:
    del environment["HOME"]

    said = start("--version", before=NOBODY_KNOWN)
    refused = start("whoami", before=NOBODY_KNOWN)

    assert (said.returncode, said.stderr) == (0, "")
    assert refused.returncode == 3
    assert "not logged in" in refused.stderr


def test_a_member_of_a_container_that_knows_no_users_can_run_a_server(
    start: Start, built: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["HOME"]
    assert start("--version", before=NOBODY_KNOWN).returncode == 0

    listen = [
        "--behind-proxy",
        "--listen",
        f"unix:{tmp_path}/http.sock",
        "--worker-listen",
        "127.0.0.1:0",
    ]
    arguments = [
        sys.executable,
        str(built),
        "server",
        "--data-dir",
        str(tmp_path / "data"),
        *listen,
    ]
    command = [*UNSHARE, "sh", "-c", f'{NOBODY_KNOWN} && exec "$@"', "sh", *arguments]
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert server.stdout
        lines: list[str] = []
        while not any("opsicle server ready" in line for line in lines):
            line = server.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
    finally:
        server.terminate()
        server.communicate(timeout=60)

    assert server.returncode == 0
