"""The built file runs on every supported Python of this machine, and tells others why not."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from building import launcher
from building.project import PYTHONS
from tests.packaging.conftest import Start

pytestmark = pytest.mark.packaging


def interpreters() -> dict[str, str]:
    """Return the path of each supported CPython under PATH or pyenv, by version.

    At least this one.
    """
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    for version in PYTHONS:
        for command in (
            *Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"),
            Path(f"python{version}"),
        ):
            if version not in found and (path := executable(command)):
                found[version] = path
    return found


def executable(command: Path) -> str:
    """Return where this interpreter really is, "" if it does not start (a pyenv shim may not)."""
    try:
        program = "import sys; print(sys.executable)"
        result = subprocess.run(
            [command, "-c", program], check=False, capture_output=True, text=True
        )
    except OSError:
        return ""
    return result.stdout.strip()


INTERPRETERS = interpreters()

EVERY_COMPILED_MODULE = """
import sys
sys.argv = [sys.argv[1], "--version"]
import runpy
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit:
    pass
import _cffi_backend, apsw, gevent.pywsgi, gevent.subprocess, greenlet, msgspec, re2, yaml
import zope.interface
import websockets.client
from cryptography.hazmat.bindings import _rust
assert yaml.__with_libyaml__
assert gevent.config.loop.__module__ == "gevent.libev.corecext"
assert all("/cache/" in module.__file__ for module in (apsw, gevent, msgspec, re2, yaml))
assert re2.fullmatch("a+", "aaa")
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one folder for every Python, as when a machine changes its `python3`."""
    return tmp_path_factory.mktemp("unpacked") / "cache"


@pytest.mark.parametrize("version", INTERPRETERS)
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_it_runs_without_network_on(start: Start, version: str, option: str) -> None:
    result = start(option, python=INTERPRETERS[version])

    assert result.returncode == 0, result.stderr
    assert "opsicle" in result.stdout.lower()
    assert result.stderr == ""


@pytest.mark.parametrize("version", INTERPRETERS)
def test_every_compiled_module_loads_on(
    built: Path, environment: dict[str, str], version: str
) -> None:
    command = [INTERPRETERS[version], "-c", EVERY_COMPILED_MODULE, str(built)]
    result = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, timeout=60
    )

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("version", [(3, 10), (3, 15)])
def test_another_python_is_told_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit, match=r"needs CPython 3\.11 to 3\.14; .* is cpython 3\.1[05]"):
        launcher.refuse_unsupported()


def test_another_machine_is_told_what_the_file_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "MACHINE", "riscv64")
    with pytest.raises(
        SystemExit, match=f"for Linux on riscv64; this is Linux on {platform.machine()}"
    ):
        launcher.refuse_unsupported()
