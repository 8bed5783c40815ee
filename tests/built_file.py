"""The one file, as tests start it."""

from __future__ import annotations

from pathlib import Path

from building import zipapp
from tests.support import SCALE


def built_file() -> Path:
    """Return the file of the sources as they are; compressed as a release is in the nightly run.

    Otherwise only so far that each way of compressing is there to be undone.
    """
    return zipapp.build(zipapp.host_platform(), anew=False, is_quick=SCALE <= 1)
