"""Starts the command line alone: this is the `__main__.py` of the files for macOS and Windows.

Like `launcher.py`, which knows Linux only, it unpacks the file at its first start into a folder of
the user's, for Python cannot load compiled modules out of a zip file. Commands are short: nobody
needs what is unpacked for longer than it takes, so there are no locks. It keeps to syntax that
Python 3.6 reads, which is then told what is wrong.
"""

import os
import sys

BUILD_ID = "@BUILD_ID@"
MACHINE = "@MACHINE@"
"""System and processor, such as `macos-arm64`."""

SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
PROCESSORS = {"amd64": "x86_64"}
"""Other names than ours."""

KEPT_OLDER_BUILDS = 2


def start() -> None:
    """Unpack if need be, then run the command line."""
    refuse_unsupported()
    folder = cache_folder()
    target = os.path.join(folder, "{}-{}".format(BUILD_ID, sys.implementation.cache_tag))
    if not os.path.isdir(target):
        unpack(target)

    foreign = ("site-packages", "dist-packages")
    own = [path for path in sys.path[1:] if os.path.basename(path) not in foreign]
    sys.path[:] = [os.path.join(target, "site-packages"), *own]
    sys.dont_write_bytecode = False
    from opsicle.cli import main

    sys.exit(main())


def refuse_unsupported() -> None:
    """Say in one line what is missing, instead of failing somewhere inside a compiled module."""
    name, version = sys.implementation.name, sys.version_info[:2]
    if name != "cpython" or not (3, 11) <= version <= (3, 14):
        raise refusal(
            "needs CPython 3.11 to 3.14; {} is {} {}.{}".format(sys.executable, name, *version)
        )
    if this_machine() != MACHINE:
        raise refusal("this file is for {}; this is {}".format(MACHINE, this_machine()))


def this_machine() -> str:
    """Return system and processor as this Python has them, which may be an emulated one."""
    if sys.platform == "win32":
        import sysconfig

        processor = sysconfig.get_platform().rpartition("-")[2]
    else:
        processor = os.uname().machine
    return "{}-{}".format(
        SYSTEMS.get(sys.platform, sys.platform), PROCESSORS.get(processor, processor)
    )


def refusal(problem: str) -> SystemExit:
    """Return the exception that ends the program with one line on stderr and exit code 1."""
    return SystemExit("opsicle: {}".format(problem))


def cache_folder() -> str:
    """Return the folder to unpack into, which nobody else may write."""
    folder = os.environ.get("OPSICLE_CACHE_DIR") or os.path.join(users_caches(), "opsicle-cli")
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        found = os.stat(folder)
    except OSError as error:
        raise refusal("cannot unpack itself into {}: {}".format(folder, error)) from None

    # On Windows the folders of a user are closed to others by their access lists.
    is_ours = not hasattr(os, "geteuid") or (
        found.st_uid == os.geteuid() and not found.st_mode & 0o022
    )
    if not is_ours:
        raise refusal(
            "{} can be written by others; set OPSICLE_CACHE_DIR to a folder of yours".format(folder)
        )
    return folder


def users_caches() -> str:
    """Return where programs of this system keep what they can make again."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches")
    return os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")


def unpack(target: str) -> None:
    """Unpack this file, whole or not at all; of several that start at once the first one wins."""
    import lzma
    import shutil
    import tempfile
    import zipfile
    import zlib

    root = os.path.dirname(target)
    try:
        unfinished = tempfile.mkdtemp(prefix=".unpacking-", dir=root)
        try:
            with zipfile.ZipFile(sys.argv[0]) as archive:
                names = [name for name in archive.namelist() if is_for_this_python(name)]
                archive.extractall(unfinished, names)
            remove_older(root)
            os.rename(unfinished, target)
        except OSError:
            if not os.path.isdir(target):
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise refusal(
            "cannot unpack itself into {}: {}".format(root, error.strerror or error)
        ) from None
    except (zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise refusal("{} is damaged, fetch it again: {}".format(sys.argv[0], error)) from None


def is_for_this_python(name: str) -> bool:
    """Return whether a part of the file is to be unpacked: not modules compiled for others."""
    tag = sys.implementation.cache_tag  # as in `_x.cpython-312-darwin.so`, `_x.cp312-win_amd64.pyd`
    short = tag.replace("ython-", "")
    is_for_one = ".cpython-" in name or ".cp3" in name
    is_ours = ".{}-".format(tag) in name or ".{}-".format(short) in name
    return name.startswith("site-packages/") and (not is_for_one or is_ours)


def remove_older(root: str) -> None:
    """Remove all builds but the newest few; what Windows has in use cannot be renamed."""
    import shutil

    folders = [entry for entry in os.scandir(root) if entry.is_dir() and entry.name[0] != "."]
    folders.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    for folder in folders[KEPT_OLDER_BUILDS:]:
        removed = os.path.join(root, ".removing-" + folder.name)
        try:
            os.rename(folder.path, removed)
        except OSError:
            continue
        shutil.rmtree(removed, ignore_errors=True)


if __name__ == "__main__":
    try:
        start()
    except KeyboardInterrupt:
        sys.exit(130)
