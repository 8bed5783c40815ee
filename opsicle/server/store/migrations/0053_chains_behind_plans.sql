-- What follows a failure does not follow a plan that failed: nothing has run yet.

DROP TRIGGER automations_end_chain;

CREATE TRIGGER automations_end_chain AFTER UPDATE OF state ON automations
WHEN NEW.state IN ('succeeded', 'failed', 'timed_out') AND NEW.state <> OLD.state
     AND OLD.state <> 'planning'
BEGIN
    UPDATE chain_starts
       SET state = 'due'
     WHERE parent_id = NEW.id
       AND state = 'waiting'
       AND event = CASE NEW.state WHEN 'succeeded' THEN 'success' ELSE 'failure' END;
END;
