"""What `build.py release` collects beside the built file."""

import json
import subprocess
from pathlib import Path

import pytest

from building import release
from building.project import BuildError
from tests.support import SCALE

pytestmark = pytest.mark.packaging


def test_a_release_has_sums_and_a_bill_of_materials_and_is_the_same_each_time(
    built: Path, tmp_path: Path
) -> None:
    first = release.collect({"x86_64": built}, tmp_path / "first")

    assert [path.name for path in first] == [
        "CHANGES-0.1.0.md",
        "SHA256SUMS",
        "opsicle-0.1.0-linux-x86_64",
        "opsicle-0.1.0.cdx.json",
        "opsicle.1",
    ]
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=first[0].parent, check=True
    )
    bill = json.loads(first[3].read_text())
    assert "serialNumber" not in bill
    assert "timestamp" not in bill["metadata"]
    materials = bill["components"]
    assert {"cryptography", "gevent", "apsw"} < {each["name"] for each in materials}
    assert all(each["version"] for each in materials)
    assert first[4].read_text().startswith('.TH OPSICLE 1 "" "Opsicle 0.1.0')
    if SCALE > 1:
        second = release.collect({"x86_64": built}, tmp_path / "second")
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_version_that_the_changelog_does_not_know_is_no_release() -> None:
    with pytest.raises(BuildError, match=r"no section 9\.9\.9"):
        release.changes("9.9.9")
