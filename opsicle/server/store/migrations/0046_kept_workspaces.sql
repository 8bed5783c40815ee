-- Until when a worker keeps the workspace of a job that did not go well.
ALTER TABLE jobs ADD COLUMN kept_until TEXT;
