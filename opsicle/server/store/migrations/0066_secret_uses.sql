-- When a secret was handed out last, and to which automation, which may have been removed since. Apart from the secret,
-- whose row has its value in it: this one is written anew with each job that uses it.
CREATE TABLE secret_uses (
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    name          TEXT NOT NULL,
    used_at       TEXT NOT NULL,
    automation_id TEXT NOT NULL,
    PRIMARY KEY (org_id, name),
    FOREIGN KEY (org_id, name) REFERENCES secrets (org_id, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
