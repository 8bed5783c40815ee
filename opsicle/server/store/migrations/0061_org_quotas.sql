-- What the server's operators let an org use; without, as the server has it for all.
ALTER TABLE orgs ADD COLUMN hourly_quota INTEGER CHECK (hourly_quota > 0);
ALTER TABLE orgs ADD COLUMN log_quota_mib INTEGER CHECK (log_quota_mib > 0);
ALTER TABLE orgs ADD COLUMN artifact_quota_mib INTEGER CHECK (artifact_quota_mib > 0);

-- How many automations an org has, and how many it has triggered in which hour of the last 31 days: counted as they come
-- and go, so that nobody ever counts a million rows.
CREATE TABLE automation_totals (
    org_id TEXT PRIMARY KEY REFERENCES orgs (id),
    kept   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO automation_totals (org_id, kept) SELECT org_id, count(*) FROM automations GROUP BY org_id;

CREATE TABLE automation_hours (
    org_id    TEXT NOT NULL REFERENCES orgs (id),
    hour      TEXT NOT NULL,
    triggered INTEGER NOT NULL,
    PRIMARY KEY (org_id, hour)
) STRICT, WITHOUT ROWID;
INSERT INTO automation_hours (org_id, hour, triggered)
SELECT org_id, substr(created_at, 1, 13), count(*) FROM automations
 WHERE created_at >= strftime('%Y-%m-%dT%H', 'now', '-31 days') GROUP BY org_id, substr(created_at, 1, 13);

CREATE TRIGGER automations_that_come_are_counted AFTER INSERT ON automations
BEGIN
    INSERT INTO automation_totals (org_id, kept) VALUES (NEW.org_id, 1)
        ON CONFLICT (org_id) DO UPDATE SET kept = kept + 1;
    INSERT INTO automation_hours (org_id, hour, triggered) VALUES (NEW.org_id, substr(NEW.created_at, 1, 13), 1)
        ON CONFLICT (org_id, hour) DO UPDATE SET triggered = triggered + 1;
END;
CREATE TRIGGER automations_that_go_are_counted AFTER DELETE ON automations
BEGIN
    UPDATE automation_totals SET kept = kept - 1 WHERE org_id = OLD.org_id;
END;
CREATE TRIGGER automation_hours_end AFTER INSERT ON automation_hours
BEGIN
    DELETE FROM automation_hours
     WHERE org_id = NEW.org_id AND hour < strftime('%Y-%m-%dT%H', NEW.hour || ':00', '-31 days');
END;
