-- Who is an approver is settled by the order of the record's entries, which no clock can turn back. Each `…_seq` is the
-- number that the entry of that change has in the org's record.
ALTER TABLE memberships ADD COLUMN role_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE memberships ADD COLUMN rules_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE group_members ADD COLUMN joined_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN deciding_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN deciding_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE approvals ADD COLUMN asked_seq INTEGER NOT NULL DEFAULT 0;

-- Of what is still open, times alone say what came first; for everything later, the order does.
UPDATE approvals
   SET asked_seq = coalesce((SELECT seq FROM audit_entries e
                              WHERE e.org_id = approvals.org_id AND e.at <= approvals.asked_at
                              ORDER BY seq DESC LIMIT 1), 0)
 WHERE EXISTS (SELECT 1 FROM automations a WHERE a.id = approvals.automation_id
                AND a.state IN ('awaiting_approval', 'queued', 'running'));

UPDATE group_members
   SET joined_seq = 1 + coalesce((SELECT seq FROM audit_entries e
                                   WHERE e.org_id = group_members.org_id AND e.at < group_members.joined_at
                                   ORDER BY seq DESC LIMIT 1), 0)
 WHERE EXISTS (SELECT 1 FROM approvals p WHERE p.org_id = group_members.org_id AND p.asked_seq > 0
                AND p.asked_at < group_members.joined_at);

-- All who have ever answered for a service account, also for one that is gone; since which entry.
CREATE TABLE account_owners (
    org_id   TEXT NOT NULL REFERENCES orgs (id),
    user_id  TEXT NOT NULL REFERENCES users (id),
    seq      INTEGER NOT NULL,
    owner_id TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (org_id, user_id, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO account_owners (org_id, user_id, seq, owner_id)
SELECT e.org_id, substr(e.resource, 7), 0, owner.id
  FROM audit_entries e
  JOIN users account ON account.id = substr(e.resource, 7)
  JOIN users owner ON owner.email = json_extract(e.data, '$.owner')
 WHERE e.verb = 'create' AND e.resource LIKE 'users/%' AND json_extract(e.data, '$.owner') IS NOT NULL
ON CONFLICT DO NOTHING;

INSERT INTO account_owners (org_id, user_id, seq, owner_id)
SELECT org_id, user_id, 0, owner_id FROM memberships WHERE owner_id IS NOT NULL
ON CONFLICT DO NOTHING;

CREATE TRIGGER account_owners_are_immutable BEFORE UPDATE ON account_owners
BEGIN
    SELECT RAISE(ABORT, 'who answered for an account never changes');
END;

CREATE TRIGGER account_owners_stay BEFORE DELETE ON account_owners
BEGIN
    SELECT RAISE(ABORT, 'who answered for an account is never forgotten');
END;

-- Members who may come in: a service account only while its owner may. The one place that says so.
CREATE VIEW enabled_members AS
SELECT m.org_id, m.user_id
  FROM memberships m
  LEFT JOIN memberships owner ON owner.org_id = m.org_id AND owner.user_id = m.owner_id
 WHERE NOT m.is_disabled AND (m.owner_id IS NULL OR owner.is_disabled = 0);
