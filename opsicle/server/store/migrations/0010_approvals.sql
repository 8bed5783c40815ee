-- One request to agree to one automation, with the policy as it was when it was asked.
CREATE TABLE approvals (
    id              TEXT PRIMARY KEY,
    org_id          TEXT NOT NULL REFERENCES orgs (id),
    automation_id   TEXT NOT NULL UNIQUE REFERENCES automations (id),
    state           TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'withdrawn')),
    policy_id       TEXT NOT NULL,
    policy_name     TEXT NOT NULL,
    policy_version  INTEGER NOT NULL,
    policy_digest   TEXT NOT NULL,
    policy          TEXT NOT NULL,
    manifest_digest TEXT NOT NULL,
    requester_id    TEXT NOT NULL REFERENCES users (id),
    asked_at        TEXT NOT NULL,
    next_at         TEXT,
    told            TEXT NOT NULL DEFAULT '[]',
    waiting_for     TEXT NOT NULL DEFAULT '',
    ended_at        TEXT,
    explanation     TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE INDEX approvals_by_org ON approvals (org_id, id);

CREATE INDEX approvals_pending ON approvals (next_at) WHERE state = 'pending';

CREATE TABLE approval_decisions (
    approval_id     TEXT NOT NULL REFERENCES approvals (id),
    gate            TEXT NOT NULL,
    user_id         TEXT NOT NULL REFERENCES users (id),
    org_id          TEXT NOT NULL REFERENCES orgs (id),
    principal       TEXT NOT NULL,
    verdict         TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),
    reason          TEXT NOT NULL,
    with_mfa        INTEGER NOT NULL,
    elapsed_seconds INTEGER NOT NULL,
    decided_at      TEXT NOT NULL,
    PRIMARY KEY (approval_id, gate, user_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER approval_decisions_are_immutable BEFORE UPDATE ON approval_decisions
BEGIN
    SELECT RAISE(ABORT, 'a decision never changes');
END;

CREATE TRIGGER approval_decisions_stay BEFORE DELETE ON approval_decisions
BEGIN
    SELECT RAISE(ABORT, 'a decision is never removed');
END;

-- What people are told: the entries of their inbox, and what channels carry further.
CREATE TABLE notices (
    id            TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    kind          TEXT NOT NULL,
    recipients    TEXT NOT NULL,
    chats         TEXT NOT NULL,
    subject       TEXT NOT NULL,
    approval_id   TEXT NOT NULL,
    automation_id TEXT NOT NULL,
    created_at    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
