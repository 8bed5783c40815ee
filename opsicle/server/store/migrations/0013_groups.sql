-- Groups of people: named by approval policies, and with rules for their members as in `roles`.
CREATE TABLE groups (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    rules       TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

-- Whoever joined after an automation was asked for is no approver of it: hence `joined_at`.
CREATE TABLE group_members (
    org_id    TEXT NOT NULL,
    name      TEXT NOT NULL,
    user_id   TEXT NOT NULL REFERENCES users (id),
    joined_at TEXT NOT NULL,
    PRIMARY KEY (org_id, name, user_id),
    FOREIGN KEY (org_id, name) REFERENCES groups (org_id, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX group_members_by_user ON group_members (org_id, user_id);
