"""Who asks on the workers' listener: the certificate that the connection showed."""

from __future__ import annotations

from opsicle.server.http.request import Caller, Request
from opsicle.server.workers.service import Workers


class WorkerAuthentication:
    """Finds the worker behind a request, in the database, on every request anew."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def __call__(self, request: Request) -> Caller:
        """Return which worker's certificate the connection showed. Raises NotAuthenticated."""
        return Caller(self._workers.authenticate(request.worker_identity, request.address))
