-- In which format of the manifest an automation is bound, who stood behind its requester when it was triggered, and
-- the MAC over all of it under a key that is not in the database. Those of before get theirs at the first start.
ALTER TABLE automations ADD COLUMN manifest_format INTEGER NOT NULL DEFAULT 1;
ALTER TABLE automations ADD COLUMN principal_id TEXT NOT NULL DEFAULT '';
ALTER TABLE automations ADD COLUMN mac TEXT NOT NULL DEFAULT '';

CREATE TRIGGER automations_stay_authentic BEFORE UPDATE OF manifest_format, principal_id, mac ON automations
WHEN OLD.mac <> ''
BEGIN
    SELECT RAISE(ABORT, 'what an automation was triggered to do never changes');
END;

ALTER TABLE approval_decisions ADD COLUMN mac TEXT NOT NULL DEFAULT '';

DROP TRIGGER approval_decisions_are_immutable;

CREATE TRIGGER approval_decisions_are_immutable BEFORE UPDATE OF approval_id, gate, user_id, org_id, principal, verdict,
    reason, with_mfa, elapsed_seconds, decided_at ON approval_decisions
BEGIN
    SELECT RAISE(ABORT, 'a decision never changes');
END;

CREATE TRIGGER approval_decisions_stay_authentic BEFORE UPDATE OF mac ON approval_decisions
WHEN OLD.mac <> ''
BEGIN
    SELECT RAISE(ABORT, 'a decision never changes');
END;
