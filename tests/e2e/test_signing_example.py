"""The example with an SSH key from a secret's file, on a real server and worker."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import Installation
from tests.support import require

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

EXAMPLE = Path(__file__).parents[2] / "examples/sign-file.yaml"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    require(shutil.which("ssh-keygen") is not None, "the package openssh-client")
    with Installation(tmp_path / "place") as installation:
        installation.worker("w")
        yield installation


def test_a_file_is_signed_with_a_key_that_nobody_sees(
    installation: Installation, tmp_path: Path
) -> None:
    key, file = tmp_path / "release-key", tmp_path / "release.tar"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "releases", "-f", str(key)],
        check=True,
    )
    file.write_bytes(b"what is released\n")
    installation.push(EXAMPLE.read_text())
    installation.admin.cli("secrets", "create", "release-key", "--value-file", str(key))

    log = installation.admin.cli("run", "sign-file", "--follow", f"--var=file={file}")

    (tmp_path / "allowed").write_text(f"releases {key.with_suffix('.pub').read_text()}")
    verify = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        str(tmp_path / "allowed"),
        "-I",
        "releases",
        "-n",
        "file",
    ]
    checked = subprocess.run(
        [*verify, "-s", f"{file}.sig"], input=file.read_bytes(), check=False, capture_output=True
    )
    assert checked.returncode == 0, checked.stderr
    assert 'Good "file" signature for releases' in log
    assert not any(line in log for line in key.read_text().splitlines()[1:-1])


def test_a_file_that_is_not_there_is_named_and_nothing_is_signed(
    installation: Installation, tmp_path: Path
) -> None:
    installation.push(EXAMPLE.read_text())
    (tmp_path / "value").write_text("no key at all")
    installation.admin.cli(
        "secrets", "create", "release-key", "--value-file", str(tmp_path / "value")
    )

    done = installation.admin.attempt("run", "sign-file", "--follow", f"--var=file={tmp_path}/none")

    assert done.returncode == 1, done.stderr
    assert f"there is no file {tmp_path}/none" in done.stdout
