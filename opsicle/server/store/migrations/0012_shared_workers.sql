-- Workers of the provider, which serve every org that lets them. Such a worker or token is no org's: `org_id` only says
-- from where it was made, and nothing goes by it.
ALTER TABLE join_tokens ADD COLUMN is_shared INTEGER NOT NULL DEFAULT 0;

ALTER TABLE workers ADD COLUMN is_shared INTEGER NOT NULL DEFAULT 0;

DROP INDEX workers_by_name;

CREATE UNIQUE INDEX workers_by_name ON workers (org_id, name) WHERE state <> 'revoked' AND NOT is_shared;

CREATE UNIQUE INDEX shared_workers_by_name ON workers (name) WHERE state <> 'revoked' AND is_shared;

-- `shared_turn` grows by one with each job that any shared worker is given: the org whose turn is smallest is next.
ALTER TABLE orgs ADD COLUMN allows_shared_workers INTEGER NOT NULL DEFAULT 0;

ALTER TABLE orgs ADD COLUMN shared_turn INTEGER NOT NULL DEFAULT 0;

CREATE INDEX orgs_by_shared_turn ON orgs (shared_turn);
