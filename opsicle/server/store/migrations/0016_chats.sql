-- Who stands behind a user of a chat service: linked by a one-time code, of which only the hash is kept.
CREATE TABLE chat_links (
    channel_id   TEXT NOT NULL REFERENCES channels (id),
    chat_user_id TEXT NOT NULL,
    org_id       TEXT NOT NULL REFERENCES orgs (id),
    user_id      TEXT NOT NULL REFERENCES users (id),
    chat_id      TEXT NOT NULL,
    linked_at    TEXT NOT NULL,
    PRIMARY KEY (channel_id, chat_user_id),
    UNIQUE (channel_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE link_codes (
    channel_id TEXT NOT NULL REFERENCES channels (id),
    user_id    TEXT NOT NULL REFERENCES users (id),
    code_hash  TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (channel_id, user_id)
) STRICT, WITHOUT ROWID;
