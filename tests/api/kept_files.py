"""Files that an automation was given, and that a job left behind."""

from __future__ import annotations

import hashlib

from opsicle.domain.files import InputFile
from opsicle.kit.ids import new_id
from opsicle.server.contents.content_store import Upload
from opsicle.server.store import artifacts, files, jobs
from opsicle.server.store.artifacts import ArtifactRow
from opsicle.server.store.database import Connection
from tests.api.running_server import ApiServer


def left_behind(api_server: ApiServer, org_id: str, automation_id: str, worker_id: str) -> str:
    """Return the id of a file that a job of the automation left, which was then given back."""
    now, content = api_server.clock.now(), b"left behind"
    upload = Upload("walk", hashlib.sha256(content).hexdigest(), len(content))
    job_id, artifact_id = new_id(now), new_id(now)
    row = ArtifactRow(
        artifact_id, job_id, "report.txt", org_id, automation_id, 0, upload.size, upload.sha256,
        "", now,
    )  # fmt: skip

    def work(db: Connection) -> bool:
        jobs.insert(db, job_id, automation_id, worker_id, now)
        jobs.give_back(db, job_id, now)
        artifacts.insert(db, row)
        return True

    store = api_server.services.contents
    store.append(upload, 0, content)
    assert store.keep(org_id, upload, work)
    return artifact_id


def given(api_server: ApiServer, org_id: str, automation_id: str) -> str:
    """Return the id of a file that the automation was given."""
    content = b"left behind"
    file = InputFile(
        variable="v",
        position=0,
        name="r.csv",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    file_id = new_id(api_server.clock.now())
    api_server.state.write(lambda db: files.insert(db, org_id, automation_id, file_id, file))
    return file_id
