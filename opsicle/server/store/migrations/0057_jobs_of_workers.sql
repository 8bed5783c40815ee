-- What a worker has run for an org, newest first: for the page of a worker.
CREATE INDEX jobs_by_worker ON jobs (worker_id, org_id, id);
