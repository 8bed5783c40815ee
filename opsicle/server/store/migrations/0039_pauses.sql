-- Jobs that wait for people in their midst. An approval is of one of three kinds now: whether to run, a pause, a failure.
-- An automation has one of the first kind, and any number of the others.
PRAGMA legacy_alter_table = ON;

CREATE TABLE approvals_of_kinds (
    id              TEXT PRIMARY KEY,
    org_id          TEXT NOT NULL REFERENCES orgs (id),
    automation_id   TEXT NOT NULL REFERENCES automations (id),
    state           TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'withdrawn')),
    policy_id       TEXT NOT NULL,
    policy_name     TEXT NOT NULL,
    policy_version  INTEGER NOT NULL,
    policy_digest   TEXT NOT NULL,
    policy          TEXT NOT NULL,
    manifest_digest TEXT NOT NULL,
    requester_id    TEXT NOT NULL REFERENCES users (id),
    asked_at        TEXT NOT NULL,
    next_at         TEXT,
    notified        TEXT NOT NULL DEFAULT '[]',
    waiting_for     TEXT NOT NULL DEFAULT '',
    ended_at        TEXT,
    explanation     TEXT NOT NULL DEFAULT '',
    asked_seq       INTEGER NOT NULL DEFAULT 0,
    kind            TEXT NOT NULL DEFAULT 'run' CHECK (kind IN ('run', 'pause', 'failure')),
    job_id          TEXT,
    phase           INTEGER,
    fence           INTEGER,
    mac             TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

INSERT INTO approvals_of_kinds
SELECT id, org_id, automation_id, state, policy_id, policy_name, policy_version, policy_digest, policy,
       manifest_digest, requester_id, asked_at, next_at, notified, waiting_for, ended_at, explanation, asked_seq,
       'run', NULL, NULL, NULL, ''
  FROM approvals;

DROP TABLE approvals;
ALTER TABLE approvals_of_kinds RENAME TO approvals;
PRAGMA legacy_alter_table = OFF;

CREATE INDEX approvals_by_org ON approvals (org_id, id);
CREATE INDEX approvals_by_requester ON approvals (org_id, requester_id, id);
CREATE INDEX approvals_by_requester_and_state ON approvals (org_id, requester_id, state, id);
CREATE INDEX approvals_by_state ON approvals (org_id, state, id);
CREATE INDEX approvals_pending ON approvals (next_at) WHERE state = 'pending';
CREATE UNIQUE INDEX approvals_of_runs ON approvals (automation_id) WHERE kind = 'run';
CREATE INDEX approvals_by_automation ON approvals (automation_id, id);
CREATE UNIQUE INDEX approvals_of_pauses ON approvals (job_id, fence) WHERE kind <> 'run';

CREATE TRIGGER approvals_stay BEFORE DELETE ON approvals
WHEN OLD.state = 'pending'
     OR OLD.automation_id > coalesce((SELECT removed_to FROM removals WHERE org_id = OLD.org_id), '')
BEGIN
    SELECT RAISE(ABORT, 'an approval is removed by retention only, and only one that has ended');
END;

-- What is given with a decision: a choice, or values. It belongs to the decision, and never changes either.
ALTER TABLE approval_decisions ADD COLUMN answer TEXT NOT NULL DEFAULT '';
CREATE TRIGGER approval_answers_are_immutable BEFORE UPDATE OF answer ON approval_decisions
BEGIN
    SELECT RAISE(ABORT, 'a decision never changes');
END;

-- The newest pause of a job.
ALTER TABLE jobs ADD COLUMN pause_id TEXT;

-- A state more. What a CHECK allows changes nothing in the file, so it is written in place, as SQLite's own guide to
-- ALTER TABLE says, instead of copying a history of a million runs.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''queued'', ''running'', ''succeeded''', '''queued'', ''running'', ''paused'', ''succeeded''')
 WHERE type = 'table' AND name = 'automations';
UPDATE sqlite_schema SET sql = replace(sql, '''leased'', ''running'', ''succeeded''', '''leased'', ''running'', ''paused'', ''succeeded''')
 WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;

DROP INDEX automations_open;
CREATE INDEX automations_open ON automations (org_id, state, id, template, requester_id)
    WHERE state IN ('awaiting_approval', 'queued', 'running', 'paused');

DROP TRIGGER automations_stay;
CREATE TRIGGER automations_stay BEFORE DELETE ON automations
WHEN OLD.state IN ('awaiting_approval', 'queued', 'running', 'paused')
     OR OLD.id > coalesce((SELECT removed_to FROM removals WHERE org_id = OLD.org_id), '')
BEGIN
    SELECT RAISE(ABORT, 'an automation is removed by retention only, and only one that has ended');
END;

-- What the record says of a pause is asked before its job goes on.
DROP INDEX audit_entries_decisive;
CREATE INDEX audit_entries_decisive ON audit_entries (org_id, resource, seq)
WHERE verb IN ('approve', 'bind', 'cancel', 'expire', 'finish', 'lose', 'pause', 'refuse', 'refuse_order', 'reject',
               'requeue', 'return', 'start', 'withdraw');
