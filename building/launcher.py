"""Starts the one-file program: this is the `__main__.py` of dist/opsicle.

Python cannot load compiled modules out of a zip file, so at its first start the program unpacks
itself into a folder that only this user can write; later starts find it there. shiv's own start-up
does much the same, but only ever under HOME, trusting whatever it finds there, and it takes twice
as long. Every start pays for what is imported here: keep it to modules that Python has loaded
anyway. And keep to syntax that Python 3.6 reads, which some servers still have as `python3`, so
that it is told what is wrong.
"""

import fcntl
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD_ID = "@BUILD_ID@"
MACHINE = "@MACHINE@"

KEPT_OLDER_BUILDS = 2
"""So that a person who goes to and fro between versions does not unpack at every turn."""

SEAL = "unpacked"
"""A file that is made before all others and never read.

What removes files by age, as systemd does in /tmp, takes it first: a folder that has lost files has
lost its seal, and the next start unpacks it anew.
"""

LONG_RUNNING = ("server", "worker")
COMPILED = "compiled"
"""A file that says: all modules that the commands above may need have been compiled."""


def start() -> None:
    """Unpack if need be, then run the command line."""
    refuse_unsupported()
    target = os.path.join(cache_folder(), unpacked_name())
    mark = claim(target)
    while mark is None:
        unpack(target)
        mark = claim(target)

    if not set(LONG_RUNNING).isdisjoint(sys.argv[1:]) and compile_all(target):
        start_anew()
    sys.path[:] = [os.path.join(target, "files", "site-packages"), *standard_library()]
    forget_contents()
    # The folder is ours, and without compiled modules each start takes twice as long.
    sys.dont_write_bytecode = False
    from opsicle.cli import main

    sys.exit(main())


def unpacked_name() -> "str":
    """Return the name of the folder that this file's parts for this Python are unpacked into."""
    return f"{BUILD_ID}-{sys.implementation.cache_tag}"


def standard_library() -> "list[str]":
    """Return where Python's own modules are.

    All else is in this file: what somebody has installed beside Python, in whichever version, is
    none of ours to load.
    """
    foreign = ("site-packages", "dist-packages")
    return [path for path in sys.path[1:] if os.path.basename(path) not in foreign]


def forget_contents() -> None:
    """Let go of this file's table of contents, which Python would keep for as long as it runs.

    Nothing is read out of it any more, and it takes a megabyte.
    """
    import zipimport

    for contents in getattr(zipimport, "_zip_directory_cache", {}).values():
        contents.clear()


def refuse_unsupported() -> None:
    """Say in one line what is missing, instead of failing somewhere inside a compiled module."""
    name, version = sys.implementation.name, sys.version_info[:2]
    if name != "cpython" or not (3, 11) <= version <= (3, 14):
        raise refusal(
            f"needs CPython 3.11 to 3.14; {sys.executable} is {name} {version[0]}.{version[1]}"
        )

    system = os.uname()
    if (system.sysname, system.machine) != ("Linux", MACHINE):
        raise refusal(
            f"this file is for Linux on {MACHINE}; this is {system.sysname} on {system.machine}"
        )


def refusal(problem: str) -> SystemExit:
    """Return the exception that ends the program with one line on stderr and exit code 1."""
    return SystemExit(f"opsicle: {problem}")


def cache_folder() -> str:
    """Return the first folder that only this user can write and compiled modules can load from."""
    for folder in candidates():
        if is_safe(folder) or was_filled_by_root(folder):
            return folder
    raise refusal(
        "no folder to unpack itself into; "
        "set OPSICLE_CACHE_DIR to one that only this user can write"
    )


def candidates() -> "Iterator[str]":
    """Return the folders into which to unpack, best first."""
    chosen = os.environ.get("OPSICLE_CACHE_DIR")
    if chosen:
        yield os.path.realpath(chosen)
        return

    # The password database knows it when HOME is not set. Under sudo, HOME may be that of the
    # person who called it.
    home = os.environ.get("HOME", os.path.expanduser("~"))
    if os.path.isabs(home) and os.path.isdir(home) and os.stat(home).st_uid == os.geteuid():
        cache = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(cache):
            cache = os.path.join(home, ".cache")
        yield os.path.join(cache, "opsicle")

    for folder in ("/var/tmp", "/tmp"):
        yield f"{folder}/opsicle-{os.geteuid()}"


def is_safe(folder: str) -> bool:
    """Return whether the folder, made if need be, is ours alone, writable, and not noexec."""
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        found = os.lstat(folder)
        is_folder = found.st_mode & 0o170000 == 0o040000
        is_ours = found.st_uid == os.geteuid() and not found.st_mode & 0o022
        is_noexec = os.statvfs(folder).f_flag & os.ST_NOEXEC
        return is_folder and is_ours and not is_noexec and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def was_filled_by_root(folder: str) -> bool:
    """Return whether root has unpacked this file into the folder, as in a container's image.

    Nobody else can have written there: then nothing needs to be written any more.
    """
    target = os.path.join(folder, unpacked_name())
    try:
        found = [os.lstat(path) for path in (folder, target, os.path.join(target, SEAL))]
    except OSError:
        return False
    return all(each.st_uid == 0 and not each.st_mode & 0o022 for each in found)


def claim(target: str) -> "int | None":
    """Mark the unpacked folder as in use until this process ends; None if there is no whole one.

    The mark is a shared lock on the folder, which keeps a newer build, and systemd's cleaning of
    /tmp, from removing modules that a running server has yet to import.
    """
    try:
        mark = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None

    locked(mark, fcntl.LOCK_SH)
    if os.path.exists(os.path.join(target, SEAL)):
        return mark
    os.close(mark)
    return None


def locked(descriptor: int, kind: int) -> bool:
    """Lock if the file system can; some network file systems lock no folders."""
    try:
        fcntl.flock(descriptor, kind)
    except OSError:
        return False
    return True


def unpack(target: str) -> None:
    """Unpack this file, all or nothing; other processes that start meanwhile wait for this one."""
    import zipfile
    import zlib

    try:
        import lzma
    except ImportError:
        raise refusal(
            f"needs Python's module lzma, without which {sys.executable} was built"
        ) from None

    root = os.path.dirname(target)
    try:
        with open(os.path.join(root, ".lock"), "w") as waiting:
            fcntl.flock(waiting, fcntl.LOCK_EX)
            if not os.path.exists(os.path.join(target, SEAL)):
                replace(target, os.path.join(root, ".unpacking"))
                remove_unused(root)
    except OSError as error:
        raise refusal(f"cannot unpack itself into {root}: {error.strerror or error}") from None
    except (zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise refusal(f"{sys.argv[0]} is damaged, fetch it again: {error}") from None


def replace(target: str, unfinished: str) -> None:
    """Put a freshly unpacked folder at the target."""
    import shutil
    import zipfile

    shutil.rmtree(unfinished, ignore_errors=True)  # left by a start that was killed
    os.mkdir(unfinished, 0o700)
    open(os.path.join(unfinished, SEAL), "w").close()
    with zipfile.ZipFile(sys.argv[0]) as archive:
        names = [name for name in archive.namelist() if is_for_this_python(name)]
        archive.extractall(os.path.join(unfinished, "files"), names)
    os.sync()  # else a power cut could leave empty files behind the new name
    shutil.rmtree(target, ignore_errors=True)
    os.rename(unfinished, target)


def is_for_this_python(name: str) -> bool:
    """Return whether a part of the file is to be unpacked: not modules compiled for others."""
    tag = sys.implementation.cache_tag
    is_compiled_for_one = ".cpython-" in name
    return name.startswith("site-packages/") and (not is_compiled_for_one or f".{tag}-" in name)


def compile_all(target: str) -> bool:
    """Compile what a server or worker may come to need; return whether anything was done.

    By itself Python compiles a module when it is first imported: that takes memory which the
    process then keeps, six megabytes in a server.
    """
    done = os.path.join(target, COMPILED)
    if os.path.exists(done) or not os.access(target, os.W_OK):
        return False

    import compileall
    from py_compile import PycInvalidationMode

    modules = os.path.join(target, "files", "site-packages")
    # Nobody changes these files, and what copies them need not keep their times.
    kind = PycInvalidationMode.UNCHECKED_HASH
    try:
        compileall.compile_dir(modules, quiet=2, invalidation_mode=kind)
        open(done, "w").close()
    except OSError:  # as on a full disk: Python will compile what it imports
        return False
    return True


def start_anew() -> None:
    """Start this program again in this process: what unpacking and compiling took is let go.

    Return where that cannot be done, as under an emulator that the kernel does not know of: then
    it goes on with what that took.
    """
    try:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    except (OSError, ValueError):  # ValueError: Python does not know its own program
        return


def remove_unused(root: str) -> None:
    """Remove all builds but this, those in use, and the newest few."""
    import shutil

    folders = [
        entry
        for entry in os.scandir(root)
        if entry.is_dir() and not entry.name.startswith(f"{BUILD_ID}-")
    ]
    folders.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    for folder in folders[KEPT_OLDER_BUILDS:]:
        mark = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
        if locked(mark, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder.path, ignore_errors=True)
        os.close(mark)


if __name__ == "__main__":
    try:
        start()
    except KeyboardInterrupt:
        sys.exit(130)
