-- The same conditions as before, written so that SQLite tests them by comparing. For an IN with more
-- than two texts it builds a table in memory at each change of a row, one for each index: that was
-- more than half of what a start and an end cost. Not as an OR, which would make an index of what is
-- open, or has ended, one for whatever asks for a single state.
DROP INDEX automations_open;
CREATE INDEX automations_open ON automations (org_id, state, id, template, requester_id)
    WHERE NOT (state <> 'planning' AND state <> 'awaiting_approval' AND state <> 'queued'
               AND state <> 'running' AND state <> 'paused');

DROP INDEX automations_ended;
CREATE INDEX automations_ended ON automations (org_id, state, id)
    WHERE NOT (state <> 'succeeded' AND state <> 'failed' AND state <> 'cancelled'
               AND state <> 'timed_out' AND state <> 'unknown' AND state <> 'rejected'
               AND state <> 'expired');

DROP INDEX automations_ended_by_requester;
CREATE INDEX automations_ended_by_requester ON automations (org_id, requester_id, state, id, template)
    WHERE NOT (state <> 'succeeded' AND state <> 'failed' AND state <> 'cancelled'
               AND state <> 'timed_out' AND state <> 'unknown' AND state <> 'rejected'
               AND state <> 'expired');

DROP INDEX automations_ended_by_template;
CREATE INDEX automations_ended_by_template ON automations (org_id, template, state, id)
    WHERE NOT (state <> 'succeeded' AND state <> 'failed' AND state <> 'cancelled'
               AND state <> 'timed_out' AND state <> 'unknown' AND state <> 'rejected'
               AND state <> 'expired');

DROP TRIGGER automations_end_chain;
CREATE TRIGGER automations_end_chain AFTER UPDATE OF state ON automations
WHEN (NEW.state = 'succeeded' OR NEW.state = 'failed' OR NEW.state = 'timed_out')
     AND NEW.state <> OLD.state AND OLD.state <> 'planning'
BEGIN
    UPDATE chain_starts
       SET state = 'due'
     WHERE parent_id = NEW.id
       AND state = 'waiting'
       AND event = CASE NEW.state WHEN 'succeeded' THEN 'success' ELSE 'failure' END;
END;

DROP INDEX audit_entries_by_verb;
CREATE INDEX audit_entries_by_verb ON audit_entries (org_id, verb, seq)
    WHERE verb <> 'run' AND verb <> 'start' AND verb <> 'finish';

-- The verbs of every job first.
DROP INDEX audit_entries_decisive;
CREATE INDEX audit_entries_decisive ON audit_entries (org_id, resource, seq)
    WHERE (verb = 'start' OR verb = 'finish' OR verb = 'approve' OR verb = 'bind' OR verb = 'cancel'
           OR verb = 'expire' OR verb = 'lose' OR verb = 'pause' OR verb = 'plan'
           OR verb = 'refuse' OR verb = 'refuse_order' OR verb = 'reject' OR verb = 'requeue'
           OR verb = 'return' OR verb = 'withdraw');
