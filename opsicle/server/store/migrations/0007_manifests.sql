-- What an automation was triggered to do, bound by the digest of its manifest. Empty for those of before.
ALTER TABLE automations ADD COLUMN manifest_digest TEXT NOT NULL DEFAULT '';

CREATE TRIGGER automations_stay_bound BEFORE UPDATE OF manifest_digest ON automations
WHEN OLD.manifest_digest <> ''
BEGIN
    SELECT RAISE(ABORT, 'what an automation was triggered to do never changes');
END;

-- By the id of each secret variable: SHA-256 over the salt, which is sealed with the values, and the value.
ALTER TABLE sealed_values ADD COLUMN commitments TEXT NOT NULL DEFAULT '{}';
