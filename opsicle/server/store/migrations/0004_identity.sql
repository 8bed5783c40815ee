-- Proof of identity: authenticator apps, recovery codes, fresh proofs of sessions, one-time links for a new password.

-- The seed is sealed under the key in identity.key. It counts once `confirmed_at` is set. `last_step` is the newest
-- 30-second step whose code was accepted: neither it nor an earlier one is accepted again.
CREATE TABLE authenticators (
    user_id      TEXT PRIMARY KEY REFERENCES users (id),
    sealed_seed  BLOB NOT NULL,
    last_step    INTEGER NOT NULL DEFAULT 0,
    created_at   TEXT NOT NULL,
    confirmed_at TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_codes (
    user_id   TEXT NOT NULL REFERENCES users (id),
    code_hash TEXT NOT NULL,
    used_at   TEXT,
    PRIMARY KEY (user_id, code_hash)
) STRICT, WITHOUT ROWID;

-- At most one link per account; only the token's hash is kept.
CREATE TABLE password_resets (
    user_id    TEXT PRIMARY KEY REFERENCES users (id),
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    token_hash TEXT NOT NULL UNIQUE,
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- When the person behind a session last showed a code of their authenticator.
ALTER TABLE sessions ADD COLUMN proven_at TEXT;
