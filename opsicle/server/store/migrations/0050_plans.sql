-- Plans: phases that run before anybody is asked (docs/plans.md). While they do, an automation is `planning`, and its
-- jobs are marked. What a plan has shown is bound when it ends, by its digest; until then it is ''.
ALTER TABLE automations ADD COLUMN evidence TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN is_plan INTEGER NOT NULL DEFAULT 0;

-- A state more. What a CHECK allows changes nothing in the file.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'state IN (''awaiting_approval''', 'state IN (''planning'', ''awaiting_approval''')
 WHERE type = 'table' AND name = 'automations';
PRAGMA writable_schema = RESET;

DROP INDEX automations_open;
CREATE INDEX automations_open ON automations (org_id, state, id, template, requester_id)
    WHERE state IN ('planning', 'awaiting_approval', 'queued', 'running', 'paused');

-- What waits for a worker, be it with its plan.
DROP INDEX automations_queued;
CREATE INDEX automations_queued ON automations (org_id, requirements, rank)
    WHERE state IN ('planning', 'queued') AND job_id IS NULL AND turn = 'ready';

DROP INDEX automations_waiting_of_template;
CREATE INDEX automations_waiting_of_template ON automations (org_id, template_id)
    WHERE max_waiting IS NOT NULL AND state IN ('planning', 'awaiting_approval', 'queued');

DROP TRIGGER automations_stay;
CREATE TRIGGER automations_stay BEFORE DELETE ON automations
WHEN OLD.state IN ('planning', 'awaiting_approval', 'queued', 'running', 'paused')
     OR OLD.id > coalesce((SELECT removed_to FROM removals WHERE org_id = OLD.org_id), '')
BEGIN
    SELECT RAISE(ABORT, 'an automation is removed by retention only, and only one that has ended');
END;

-- What a plan has shown is bound once, when it leaves `planning`.
DROP TRIGGER automations_stay_authentic;
CREATE TRIGGER automations_stay_authentic BEFORE UPDATE OF manifest_format, principal_id, mac ON automations
WHEN OLD.mac <> '' AND NOT (OLD.state = 'planning' AND NEW.state IN ('awaiting_approval', 'queued'))
BEGIN
    SELECT RAISE(ABORT, 'what an automation was triggered to do never changes');
END;

DROP TRIGGER automations_stay_bound;
CREATE TRIGGER automations_stay_bound BEFORE UPDATE OF manifest_digest, evidence ON automations
WHEN OLD.manifest_digest <> '' AND NOT (OLD.state = 'planning' AND NEW.state IN ('awaiting_approval', 'queued'))
BEGIN
    SELECT RAISE(ABORT, 'what an automation was triggered to do never changes');
END;

-- The record is asked whether a plan has ended.
DROP INDEX audit_entries_decisive;
CREATE INDEX audit_entries_decisive ON audit_entries (org_id, resource, seq)
WHERE verb IN ('approve', 'bind', 'cancel', 'expire', 'finish', 'lose', 'pause', 'plan', 'refuse', 'refuse_order', 'reject',
               'requeue', 'return', 'start', 'withdraw');
