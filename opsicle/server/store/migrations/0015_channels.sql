-- Channels, and the durable queue of what goes out through them.

-- `config` is JSON as the API shows it. The credential is sealed like a secret, bound to org, channel and
-- `credential_version`; a channel without one has NULL.
CREATE TABLE channels (
    id                 TEXT PRIMARY KEY,
    org_id             TEXT NOT NULL REFERENCES orgs (id),
    name               TEXT NOT NULL,
    kind               TEXT NOT NULL,
    config             TEXT NOT NULL,
    version            INTEGER NOT NULL,
    credential_version INTEGER NOT NULL,
    wrapped_key        BLOB,
    ciphertext         BLOB,
    is_enabled         INTEGER NOT NULL,
    created_at         TEXT NOT NULL,
    updated_at         TEXT NOT NULL,
    updated_by         TEXT NOT NULL REFERENCES users (id),
    UNIQUE (org_id, name)
) STRICT, WITHOUT ROWID;

-- One row per recipient and channel, written in the transaction of what it tells of. `target` is an e-mail address or
-- the id of a chat; `facts` is JSON. The text of a new password's link is made when it is sent, and stands nowhere.
CREATE TABLE deliveries (
    id              TEXT PRIMARY KEY,
    org_id          TEXT NOT NULL REFERENCES orgs (id),
    channel_id      TEXT NOT NULL REFERENCES channels (id),
    kind            TEXT NOT NULL,
    user_id         TEXT REFERENCES users (id),
    target          TEXT NOT NULL,
    subject         TEXT NOT NULL,
    facts           TEXT NOT NULL,
    approval_id     TEXT NOT NULL,
    automation_id   TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'delivered', 'failed', 'gave_up')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TEXT,
    give_up_at      TEXT NOT NULL,
    last_error      TEXT NOT NULL DEFAULT '',
    created_at      TEXT NOT NULL,
    finished_at     TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_open ON deliveries (channel_id, next_attempt_at) WHERE state IN ('queued', 'failed');

CREATE INDEX deliveries_sending ON deliveries (channel_id) WHERE state = 'sending';

CREATE INDEX deliveries_by_org ON deliveries (org_id, id);

-- Who does not want, or wants, to hear of what through which channel. Without a row people hear of everything.
CREATE TABLE notice_preferences (
    user_id    TEXT NOT NULL REFERENCES users (id),
    channel_id TEXT NOT NULL REFERENCES channels (id),
    kind       TEXT NOT NULL,
    is_on      INTEGER NOT NULL,
    PRIMARY KEY (user_id, channel_id, kind)
) STRICT, WITHOUT ROWID;
