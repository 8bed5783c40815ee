-- One-time links by which people come into an org. Only the token's hash is kept. `is_by_provider`: made by somebody
-- who runs the server, for an org's first admin; every other one by a member who manages its people.
CREATE TABLE invitations (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    email          TEXT NOT NULL COLLATE NOCASE,
    role           TEXT NOT NULL,
    manager_id     TEXT REFERENCES users (id),
    token_hash     TEXT NOT NULL UNIQUE,
    invited_by     TEXT NOT NULL REFERENCES users (id),
    is_by_provider INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    expires_at     TEXT NOT NULL,
    accepted_at    TEXT,
    accepted_by    TEXT REFERENCES users (id),
    revoked_at     TEXT
) STRICT, WITHOUT ROWID;

-- At most one that may still be used for a person and org.
CREATE UNIQUE INDEX invitations_open ON invitations (org_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;
