"""The commands of `build.py`."""

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Sequence

from building import zipapp
from building.environments import development_environment
from building.project import ROOT, BuildError


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code to end with."""
    os.umask(0o022)  # what is built must not depend on who builds it

    is_named = bool(arguments) and not arguments[0].startswith("-")
    command, *rest = arguments if is_named else ["build", *arguments]
    try:
        if command not in COMMANDS:
            raise BuildError(f"no command {command!r}; there are {', '.join(COMMANDS)}")
        return COMMANDS[command](rest)
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def build(arguments: Sequence[str]) -> int:
    """Build the one file and print where it is."""
    parser = argparse.ArgumentParser(prog="build.py build")
    parser.add_argument(
        "--platform",
        choices=(*zipapp.PLATFORMS, *zipapp.COMMAND_LINES),
        default=zipapp.host_platform(),
    )
    parser.add_argument("--quick", action="store_true", help="hardly compress it")
    options = parser.parse_args(arguments)
    target = zipapp.build(options.platform, is_quick=options.quick)
    print(target.relative_to(ROOT))
    return 0


def release(arguments: Sequence[str]) -> int:
    """Make what is published of this commit, and print the files."""
    from building import release as publishing

    argparse.ArgumentParser(prog="build.py release").parse_args(arguments)
    for path in publishing.release():
        print(path.relative_to(ROOT))
    return 0


def demo(arguments: Sequence[str]) -> int:
    """Run `opsicle demo` from an up-to-date built file, in place of this process."""
    target = zipapp.build(zipapp.host_platform(), anew=False)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, str(target), "demo", *arguments])


def test(arguments: Sequence[str]) -> int:
    """Run the tests against an up-to-date built file; arguments go to pytest."""
    from building import tests

    return tests.run_all(arguments)


def nightly(arguments: Sequence[str]) -> int:
    """Run the tests that `test` leaves out: suites first, then options, others' to pytest."""
    from building import nightly as requested

    parser = argparse.ArgumentParser(
        prog="build.py nightly",
        description="\n".join(
            f"{name}: {suite.purpose}" for name, suite in requested.SUITES.items()
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="all of them unless named")
    parser.add_argument("--anew", action="store_true", help="make the folders with Debian anew")
    names = list(itertools.takewhile(lambda each: not each.startswith("-"), arguments))
    ours = {"--anew", "-h", "--help"}.intersection(arguments)
    options = parser.parse_args([*names, *ours])
    others = [each for each in arguments[len(names) :] if each not in ours]
    if unknown := set(options.suites) - set(requested.SUITES):
        raise BuildError(f"no suite {min(unknown)!r}; there are {', '.join(requested.SUITES)}")
    return requested.run_all(options.suites, others, anew=options.anew)


def check(arguments: Sequence[str]) -> int:
    """Run every check that needs no running program."""
    from building import checks

    return checks.run_all(arguments)


def bench(arguments: Sequence[str]) -> int:
    """Measure the built file, with what the tests run on."""
    target = zipapp.build(zipapp.host_platform(), anew=False)
    environment = {**os.environ, "OPSICLE_UNDER_TEST": str(target)}
    command = [str(development_environment()), "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def pictures(arguments: Sequence[str]) -> int:
    """Make pictures of every page, and those of the documentation."""
    command = [str(development_environment()), "-m", "tests.browser.pictures", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def lock(arguments: Sequence[str]) -> int:
    """Refresh the locks."""
    from building import locks

    parser = argparse.ArgumentParser(prog="build.py lock")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    locks.lock(upgrade=parser.parse_args(arguments).upgrade)
    return 0


COMMANDS = {
    "build": build,
    "release": release,
    "demo": demo,
    "test": test,
    "nightly": nightly,
    "check": check,
    "bench": bench,
    "pictures": pictures,
    "lock": lock,
}
