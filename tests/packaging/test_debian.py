"""What `build.py test` installs on the whole system, it names first.

Without root it installs nothing.
"""

import os
import re
from pathlib import Path

import pytest

from building import debian, nightly
from building.debian import Package
from building.project import ROOT, BuildError

APT_GET = """#!/bin/sh
echo "apt-get $*" >&2
{then}
"""
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _one_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Package(str(tmp_path), "is there")
    missing = Package(str(tmp_path / "no-such-file"), "a target of jobs")
    monkeypatch.setattr(debian, "PACKAGES", {"present": there, "absent": missing})
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.fixture
def _is_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def _is_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def apt_get(folder: Path, then: str = "exit 0") -> None:
    """Write an apt-get that records how it was called, and then does this."""
    program(folder / "apt-get", APT_GET.format(then=then))


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.usefixtures("_is_root")
def test_what_is_installed_and_what_for_is_said_before_the_first_call(
    tmp_path: Path, capfd: Output
) -> None:
    apt_get(tmp_path, then="exit 7")

    with pytest.raises(BuildError, match=r"(?s)apt-get update.* failed \(7\)"):
        debian.install_missing()

    said = capfd.readouterr().err
    assert "on the whole system" in said
    assert "absent: a target of jobs" in said
    assert "present" not in said


@pytest.mark.usefixtures("_is_root")
def test_only_what_is_missing_is_installed(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    apt_get(tmp_path, then=f'echo "$*" >> {calls}')

    debian.install_missing()

    update, install = calls.read_text().splitlines()
    assert update.startswith("update")
    assert install.startswith("install")
    assert install.endswith(" absent")
    assert "present" not in install


@pytest.mark.usefixtures("_is_a_person")
def test_without_root_nothing_is_installed_and_it_is_said_what_the_tests_do_without(
    tmp_path: Path, capfd: Output
) -> None:
    apt_get(tmp_path, then=f"touch {tmp_path / 'called'}")

    debian.install_missing()

    said = capfd.readouterr().err
    assert "absent: a target of jobs" in said
    assert "apt-get install absent" in said
    assert not (tmp_path / "called").exists()


@pytest.mark.usefixtures("_is_root")
@pytest.mark.parametrize("known", ["newer", "older"])
def test_of_two_names_of_a_package_the_release_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    missing = Package(str(tmp_path / "no-such-file"), "what the tests do with it")
    monkeypatch.setattr(debian, "PACKAGES", {"newer | older": missing})
    calls = tmp_path / "calls"
    apt_get(tmp_path, then=f'echo "$*" >> {calls}')
    program(tmp_path / "apt-cache", f'#!/bin/sh\ntest "$2" = {known}\n')

    debian.install_missing()

    assert calls.read_text().splitlines()[-1].endswith(f"--no-install-recommends {known}")


@pytest.mark.usefixtures("_is_a_person")
def test_where_nothing_may_be_skipped_a_missing_package_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt_get(tmp_path, then=f"touch {tmp_path / 'called'}")
    monkeypatch.setenv("CI", "true")

    with pytest.raises(BuildError, match="absent: a target of jobs"):
        debian.install_missing()

    assert not (tmp_path / "called").exists()


@pytest.mark.usefixtures("_is_root")
def test_nothing_is_said_where_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Output
) -> None:
    monkeypatch.setattr(debian, "PACKAGES", {"present": Package(str(tmp_path), "is there")})

    debian.install_missing()

    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("name", "package"), debian.PACKAGES.items())
def test_every_package_says_what_it_is_for(name: str, package: Package) -> None:
    assert package.purpose, name


def test_what_is_left_out_or_done_less_often_by_default_is_run_by_the_nightly() -> None:
    """Where this is red, add the file to a suite of `building/nightly.py`."""
    left_out = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text()
        if path != Path(__file__) and re.search(r"OPSICLE_DEBIAN_|\bSCALE\b", text):
            left_out.add(str(path.relative_to(ROOT)))

    run = {name for suite in nightly.SUITES.values() for name in suite.files}
    variables = {suite.variable for suite in nightly.SUITES.values()} - {""}
    texts = "".join((ROOT / name).read_text() for name in run)
    assert left_out <= run
    assert variables == set(re.findall("OPSICLE_DEBIAN_[A-Z0-9]+", texts))


def test_a_folder_with_debian_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nightly, "FOLDERS", tmp_path / "nightly")
    program(
        tmp_path / "debootstrap", '#!/bin/sh\neval "at=\\$$#"\necho half > "$at/half"\nexit 1\n'
    )
    with pytest.raises(BuildError, match=r"debootstrap .* failed \(1\)"):
        nightly.folder("sid")
    assert not (tmp_path / "nightly/sid").exists()

    program(tmp_path / "debootstrap", '#!/bin/sh\neval "at=\\$$#"\necho "$*" > "$at/whole"\n')
    made = nightly.folder("sid")

    assert {path.name for path in made.iterdir()} == {"whole", nightly.MADE_BY}
    assert (made / "whole").read_text().startswith("--variant=minbase --include=python3 sid ")
    (made / "kept").touch()
    assert (nightly.folder("sid") / "kept").exists()
    assert not (nightly.folder("sid", anew=True) / "kept").exists()
