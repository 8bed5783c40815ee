-- How each template last ended on each target (`any`), and which version last succeeded there. Kept
-- while both are: the automations that rows name may have been removed since. A target or template
-- that was deleted and made anew begins without.
CREATE TABLE target_last_runs (
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    target_id     TEXT NOT NULL REFERENCES targets (id),
    template_id   TEXT NOT NULL REFERENCES templates (id),
    outcome       TEXT NOT NULL CHECK (outcome IN ('any', 'succeeded')),
    automation_id TEXT NOT NULL,
    version       INTEGER NOT NULL,
    state         TEXT NOT NULL,
    ended_at      TEXT NOT NULL,
    PRIMARY KEY (org_id, target_id, template_id, outcome)
) STRICT, WITHOUT ROWID;

INSERT INTO target_last_runs
SELECT a.org_id, t.id, a.template_id, o.outcome, a.id, a.version, a.state, a.finished_at
  FROM fan_out_members m
  JOIN automations a ON a.id = m.automation_id
  JOIN targets t ON t.org_id = m.org_id AND t.name = m.name AND t.deleted_at IS NULL
                    AND t.created_at <= a.created_at
  JOIN (SELECT 'any' AS outcome UNION ALL SELECT 'succeeded') o
    ON o.outcome = 'any' OR o.outcome = a.state
 WHERE a.version > 0 AND a.started_at IS NOT NULL AND a.finished_at IS NOT NULL
   AND iif(json_valid(a.member_of), a.member_of ->> '$.member.target', NULL) IS NOT NULL
    ON CONFLICT (org_id, target_id, template_id, outcome) DO UPDATE
   SET automation_id = excluded.automation_id, version = excluded.version, state = excluded.state,
       ended_at = excluded.ended_at
 WHERE excluded.ended_at >= target_last_runs.ended_at;

-- As before, and the end on a target is noted. What was lost has ended when that was found out: the
-- truth about it takes no later place.
DROP TRIGGER automations_end_member;
CREATE TRIGGER automations_end_member AFTER UPDATE OF state ON automations
WHEN NEW.member_of <> '' AND NEW.state <> OLD.state
     AND NEW.state IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'unknown', 'rejected', 'expired')
BEGIN
    UPDATE fan_out_members SET state = 'ended' WHERE automation_id = NEW.id AND state = 'started';

    INSERT INTO target_last_runs
    SELECT NEW.org_id, t.id, NEW.template_id, o.outcome, NEW.id, NEW.version, NEW.state,
           iif(OLD.state = 'unknown', OLD.finished_at, NEW.finished_at)
      FROM targets t
      JOIN (SELECT 'any' AS outcome UNION ALL SELECT 'succeeded') o
        ON o.outcome = 'any' OR o.outcome = NEW.state
     WHERE t.org_id = NEW.org_id AND t.deleted_at IS NULL AND t.created_at <= NEW.created_at
       AND t.name = CASE WHEN json_valid(NEW.member_of)
                              AND NEW.member_of ->> '$.member.target' IS NOT NULL
                         THEN NEW.member_of ->> '$.member.name' END
       AND NEW.version > 0 AND NEW.started_at IS NOT NULL AND NEW.finished_at IS NOT NULL
        ON CONFLICT (org_id, target_id, template_id, outcome) DO UPDATE
       SET automation_id = excluded.automation_id, version = excluded.version,
           state = excluded.state, ended_at = excluded.ended_at
     WHERE excluded.ended_at >= target_last_runs.ended_at;
END;
