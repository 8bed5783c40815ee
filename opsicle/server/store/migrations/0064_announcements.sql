-- What those who run the server tell its people: all of them, or those of one org.
CREATE TABLE announcements (
    id         TEXT PRIMARY KEY,
    org_id     TEXT REFERENCES orgs (id),
    severity   TEXT NOT NULL CHECK (severity IN ('info', 'warning')),
    text       TEXT NOT NULL,
    starts_at  TEXT NOT NULL,
    ends_at    TEXT,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
