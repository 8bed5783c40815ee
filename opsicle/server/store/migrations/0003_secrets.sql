-- Secrets. What is encrypted is AES-256-GCM under a data key of its own, which is wrapped under the master key; the
-- master key is not in here. `settings.master_key_check` is a value by which a start finds out that it has the right one.

CREATE TABLE secrets (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    name        TEXT NOT NULL,
    version     INTEGER NOT NULL,
    description TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    ciphertext  BLOB NOT NULL,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    updated_by  TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

-- The values of an automation's `secret` variables, as JSON; its `values_json` has a mask in their place.
CREATE TABLE sealed_values (
    automation_id TEXT PRIMARY KEY REFERENCES automations (id),
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    wrapped_key   BLOB NOT NULL,
    ciphertext    BLOB NOT NULL
) STRICT, WITHOUT ROWID;
