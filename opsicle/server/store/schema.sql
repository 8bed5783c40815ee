CREATE TABLE account_owners (
    org_id   TEXT NOT NULL REFERENCES orgs (id),
    user_id  TEXT NOT NULL REFERENCES users (id),
    seq      INTEGER NOT NULL,
    owner_id TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (org_id, user_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER account_owners_are_immutable BEFORE UPDATE ON account_owners
BEGIN
    SELECT RAISE(ABORT, 'who answered for an account never changes');
END;

CREATE TRIGGER account_owners_stay BEFORE DELETE ON account_owners
WHEN NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'who answered for an account is never forgotten');
END;

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
    decided_at      TEXT NOT NULL, mac TEXT NOT NULL DEFAULT '', answer TEXT NOT NULL DEFAULT '', not_before TEXT, not_after TEXT,
    PRIMARY KEY (approval_id, gate, user_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER approval_answers_are_immutable BEFORE UPDATE OF answer ON approval_decisions
BEGIN
    SELECT RAISE(ABORT, 'a decision never changes');
END;

CREATE TRIGGER approval_decisions_are_immutable BEFORE UPDATE OF approval_id, gate, user_id, org_id, principal, verdict,
    reason, with_mfa, elapsed_seconds, decided_at ON approval_decisions
BEGIN
    SELECT RAISE(ABORT, 'a decision never changes');
END;

CREATE TRIGGER approval_decisions_stay BEFORE DELETE ON approval_decisions
WHEN NOT EXISTS (SELECT 1 FROM approvals p JOIN removals r ON r.org_id = p.org_id
                  WHERE p.id = OLD.approval_id AND p.state <> 'pending' AND p.automation_id <= r.removed_to)
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'a decision is removed by retention only, together with its automation');
END;

CREATE TRIGGER approval_decisions_stay_authentic BEFORE UPDATE OF mac ON approval_decisions
WHEN OLD.mac <> ''
BEGIN
    SELECT RAISE(ABORT, 'a decision never changes');
END;

CREATE TRIGGER approval_windows_are_immutable BEFORE UPDATE OF not_before, not_after ON approval_decisions
BEGIN
    SELECT RAISE(ABORT, 'a decision never changes');
END;

CREATE TABLE "approvals" (
    id              TEXT PRIMARY KEY,
    org_id          TEXT NOT NULL REFERENCES orgs (id),
    automation_id   TEXT NOT NULL REFERENCES automations (id),
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
    notified        TEXT NOT NULL DEFAULT '[]',
    waiting_for     TEXT NOT NULL DEFAULT '',
    ended_at        TEXT,
    explanation     TEXT NOT NULL DEFAULT '',
    asked_seq       INTEGER NOT NULL DEFAULT 0,
    kind            TEXT NOT NULL DEFAULT 'run' CHECK (kind IN ('run', 'pause', 'failure')),
    job_id          TEXT,
    phase           INTEGER,
    fence           INTEGER,
    mac             TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE INDEX approvals_by_automation ON approvals (automation_id, id);

CREATE INDEX approvals_by_org ON approvals (org_id, id);

CREATE INDEX approvals_by_requester ON approvals (org_id, requester_id, id);

CREATE INDEX approvals_by_requester_and_state ON approvals (org_id, requester_id, state, id);

CREATE INDEX approvals_by_state ON approvals (org_id, state, id);

CREATE UNIQUE INDEX approvals_of_pauses ON approvals (job_id, fence) WHERE kind <> 'run';

CREATE UNIQUE INDEX approvals_of_runs ON approvals (automation_id) WHERE kind = 'run';

CREATE INDEX approvals_pending ON approvals (next_at) WHERE state = 'pending';

CREATE TRIGGER approvals_stay BEFORE DELETE ON approvals
WHEN (OLD.state = 'pending'
      OR OLD.automation_id > coalesce((SELECT removed_to FROM removals WHERE org_id = OLD.org_id), ''))
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'an approval is removed by retention only, and only one that has ended');
END;

CREATE TABLE artifacts (
    id            TEXT NOT NULL UNIQUE,
    job_id        TEXT NOT NULL REFERENCES jobs (id),
    path          TEXT NOT NULL,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    automation_id TEXT NOT NULL REFERENCES automations (id),
    phase         INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    sha256        TEXT,
    problem       TEXT NOT NULL DEFAULT '',
    created_at    TEXT NOT NULL,
    PRIMARY KEY (job_id, path),
    FOREIGN KEY (org_id, sha256) REFERENCES contents (org_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX artifacts_by_age ON artifacts (org_id, created_at) WHERE sha256 IS NOT NULL;

CREATE INDEX artifacts_by_automation ON artifacts (automation_id);

CREATE INDEX artifacts_by_content ON artifacts (org_id, sha256) WHERE sha256 IS NOT NULL;

CREATE TRIGGER artifacts_expire AFTER UPDATE OF sha256 ON artifacts
WHEN OLD.sha256 IS NOT NULL AND NEW.sha256 IS NULL
BEGIN
    UPDATE contents SET uses = uses - 1 WHERE org_id = OLD.org_id AND sha256 = OLD.sha256;
END;

CREATE TRIGGER artifacts_let_contents_go AFTER DELETE ON artifacts WHEN OLD.sha256 IS NOT NULL
BEGIN
    UPDATE contents SET uses = uses - 1 WHERE org_id = OLD.org_id AND sha256 = OLD.sha256;
END;

CREATE TRIGGER artifacts_use_contents AFTER INSERT ON artifacts WHEN NEW.sha256 IS NOT NULL
BEGIN
    UPDATE contents SET uses = uses + 1 WHERE org_id = NEW.org_id AND sha256 = NEW.sha256;
END;

CREATE TABLE audit_checkpoint_gaps (
    org_id    TEXT NOT NULL,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL CHECK (last >= first),
    previous  TEXT NOT NULL,
    hash      TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (org_id, first, last)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_checkpoint_gaps_are_immutable BEFORE UPDATE ON audit_checkpoint_gaps
BEGIN
    SELECT RAISE(ABORT, 'a gap never changes');
END;

CREATE TRIGGER audit_checkpoint_gaps_stay BEFORE DELETE ON audit_checkpoint_gaps
WHEN NOT EXISTS (SELECT 1 FROM audit_checkpoint_gaps
                  WHERE org_id = OLD.org_id AND first <= OLD.first AND last >= OLD.last
                    AND NOT (first = OLD.first AND last = OLD.last))
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'a gap is removed only for a wider one');
END;

CREATE TABLE audit_checkpoints (
    org_id       TEXT NOT NULL,
    number       INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    hash         TEXT NOT NULL,
    at           TEXT NOT NULL,
    removed_to   INTEGER NOT NULL,
    removed_hash TEXT NOT NULL,
    previous     TEXT NOT NULL,
    signature    TEXT NOT NULL,
    PRIMARY KEY (org_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_checkpoints_are_immutable BEFORE UPDATE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'a checkpoint never changes');
END;

CREATE TRIGGER audit_checkpoints_stay BEFORE DELETE ON audit_checkpoints
WHEN (NOT EXISTS (SELECT 1 FROM audit_checkpoint_gaps
                   WHERE org_id = OLD.org_id AND first <= OLD.number AND last >= OLD.number)
      OR EXISTS (SELECT 1 FROM audit_exports WHERE org_id = OLD.org_id AND number = OLD.number))
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'a checkpoint is removed only where a gap is signed for it');
END;

CREATE TABLE audit_entries (
    org_id     TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    at         TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    channel    TEXT NOT NULL,
    address    TEXT NOT NULL,
    verb       TEXT NOT NULL,
    resource   TEXT NOT NULL,
    data       TEXT NOT NULL,
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (org_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_entries_are_immutable BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'an audit entry never changes');
END;

CREATE INDEX audit_entries_by_resource ON audit_entries (org_id, resource, seq)
    WHERE substr(resource, 1, 12) <> 'automations/';

CREATE INDEX audit_entries_by_verb ON audit_entries (org_id, verb, seq)
    WHERE verb <> 'run' AND verb <> 'start' AND verb <> 'finish';

CREATE INDEX audit_entries_decisive ON audit_entries (org_id, resource, seq)
    WHERE (verb = 'start' OR verb = 'finish' OR verb = 'approve' OR verb = 'bind' OR verb = 'cancel'
           OR verb = 'expire' OR verb = 'lose' OR verb = 'pause' OR verb = 'plan'
           OR verb = 'refuse' OR verb = 'refuse_order' OR verb = 'reject' OR verb = 'requeue'
           OR verb = 'return' OR verb = 'withdraw');

CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries
WHEN OLD.seq > coalesce((SELECT removed_to FROM audit_checkpoints WHERE org_id = OLD.org_id
                          ORDER BY number DESC LIMIT 1), 0)
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'an audit entry is removed by retention only');
END;

CREATE TABLE audit_exports (
    org_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (org_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_heads (
    org_id       TEXT PRIMARY KEY,
    number       INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    hash         TEXT NOT NULL,
    at           TEXT NOT NULL,
    removed_to   INTEGER NOT NULL,
    removed_hash TEXT NOT NULL,
    previous     TEXT NOT NULL,
    signature    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_heads_only_advance BEFORE UPDATE ON audit_heads
WHEN NEW.number < OLD.number OR NEW.seq < OLD.seq
BEGIN
    SELECT RAISE(ABORT, 'a signature never goes back');
END;

CREATE TABLE authenticators (
    user_id      TEXT PRIMARY KEY REFERENCES users (id),
    sealed_seed  BLOB NOT NULL,
    last_step    INTEGER NOT NULL DEFAULT 0,
    created_at   TEXT NOT NULL,
    confirmed_at TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE automation_files (
    automation_id TEXT NOT NULL REFERENCES automations (id),
    variable      TEXT NOT NULL,
    position      INTEGER NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    name          TEXT NOT NULL,
    size          INTEGER NOT NULL,
    sha256        TEXT NOT NULL,
    PRIMARY KEY (automation_id, variable, position),
    FOREIGN KEY (org_id, sha256) REFERENCES contents (org_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX automation_files_by_content ON automation_files (org_id, sha256);

CREATE TRIGGER automation_files_let_contents_go AFTER DELETE ON automation_files
BEGIN
    UPDATE contents SET uses = uses - 1 WHERE org_id = OLD.org_id AND sha256 = OLD.sha256;
END;

CREATE TRIGGER automation_files_use_contents AFTER INSERT ON automation_files
BEGIN
    UPDATE contents SET uses = uses + 1 WHERE org_id = NEW.org_id AND sha256 = NEW.sha256;
END;

CREATE TABLE automation_hours (
    org_id    TEXT NOT NULL REFERENCES orgs (id),
    hour      TEXT NOT NULL,
    triggered INTEGER NOT NULL,
    PRIMARY KEY (org_id, hour)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER automation_hours_end AFTER INSERT ON automation_hours
BEGIN
    DELETE FROM automation_hours
     WHERE org_id = NEW.org_id AND hour < strftime('%Y-%m-%dT%H', NEW.hour || ':00', '-31 days');
END;

CREATE TABLE automation_totals (
    org_id TEXT PRIMARY KEY REFERENCES orgs (id),
    kept   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE automations (
    id                  TEXT PRIMARY KEY,
    org_id              TEXT NOT NULL REFERENCES orgs (id),
    template_id         TEXT NOT NULL,
    template            TEXT NOT NULL,
    version             INTEGER NOT NULL,
    values_json         TEXT NOT NULL,
    requirements        TEXT NOT NULL,
    on_worker_lost      TEXT NOT NULL CHECK (on_worker_lost IN ('unknown', 'requeue')),
    state               TEXT NOT NULL CHECK (state IN ('planning', 'awaiting_approval', 'queued', 'running', 'paused', 'succeeded', 'failed',
                                                       'cancelled', 'timed_out', 'unknown', 'rejected', 'expired')),
    fence               INTEGER NOT NULL DEFAULT 0,
    job_id              TEXT,
    requester_id        TEXT NOT NULL REFERENCES users (id),
    reason              TEXT NOT NULL,
    rerun_of            TEXT REFERENCES automations (id),
    exit_code           INTEGER,
    explanation         TEXT NOT NULL DEFAULT '',
    created_at          TEXT NOT NULL,
    queued_at           TEXT,
    started_at          TEXT,
    finished_at         TEXT,
    cancel_requested_at TEXT,
    cancel_requested_by TEXT REFERENCES users (id), manifest_digest TEXT NOT NULL DEFAULT '', approved_at TEXT, manifest_format INTEGER NOT NULL DEFAULT 1, principal_id TEXT NOT NULL DEFAULT '', mac TEXT NOT NULL DEFAULT '', priority INTEGER NOT NULL DEFAULT 5, concurrency_key TEXT, concurrency_limit INTEGER, on_limit TEXT, concurrency_released_at TEXT, turn TEXT NOT NULL DEFAULT 'ready' CHECK (turn IN ('early', 'new', 'behind', 'ready')), rank TEXT NOT NULL GENERATED ALWAYS AS ((9 - priority) || id) VIRTUAL, max_waiting INTEGER, started_by_kind TEXT NOT NULL DEFAULT '', started_by_name TEXT NOT NULL DEFAULT '', started_by_id TEXT, depth INTEGER NOT NULL DEFAULT 0, resumed_from TEXT, resume_point TEXT, not_before TEXT, not_after TEXT, calls TEXT NOT NULL DEFAULT '', called_by TEXT NOT NULL DEFAULT '', evidence TEXT NOT NULL DEFAULT '', fan_out TEXT NOT NULL DEFAULT '', member_of TEXT NOT NULL DEFAULT '', only_worker TEXT NOT NULL DEFAULT '', start_at TEXT,
    FOREIGN KEY (template_id, version) REFERENCES template_versions (template_id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX automations_approved ON automations (org_id, template_id, id)
    WHERE approved_at IS NOT NULL AND started_at IS NOT NULL;

CREATE INDEX automations_by_org ON automations (org_id, id);

CREATE INDEX automations_by_requester ON automations (org_id, requester_id, id, template);

CREATE INDEX automations_by_starter ON automations (started_by_id, state)
 WHERE started_by_id IS NOT NULL;

CREATE INDEX automations_by_template ON automations (org_id, template, id);

CREATE TRIGGER automations_change_concurrency AFTER UPDATE OF state, job_id, concurrency_released_at ON automations
WHEN NEW.concurrency_key IS NOT NULL AND NOT (OLD.state = 'queued' AND NEW.state = 'running')
BEGIN
    INSERT OR IGNORE INTO concurrency_changes VALUES (NEW.org_id, NEW.concurrency_key, NEW.id);
END;

CREATE INDEX automations_early ON automations (not_before)
    WHERE state = 'queued' AND job_id IS NULL AND turn = 'early';

CREATE TRIGGER automations_end_call AFTER UPDATE OF state ON automations
WHEN NEW.called_by <> '' AND NEW.state <> OLD.state
     AND NEW.state IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'unknown', 'rejected', 'expired')
BEGIN
    UPDATE calls SET state = 'ended' WHERE automation_id = NEW.id AND state = 'started';
END;

CREATE TRIGGER automations_end_chain AFTER UPDATE OF state ON automations
WHEN (NEW.state = 'succeeded' OR NEW.state = 'failed' OR NEW.state = 'timed_out')
     AND NEW.state <> OLD.state AND OLD.state <> 'planning'
BEGIN
    UPDATE chain_starts
       SET state = 'due'
     WHERE parent_id = NEW.id
       AND state = 'waiting'
       AND event = CASE NEW.state WHEN 'succeeded' THEN 'success' ELSE 'failure' END;
END;

CREATE TRIGGER automations_end_member AFTER UPDATE OF state ON automations
WHEN NEW.member_of <> '' AND NEW.state <> OLD.state
     AND NEW.state IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'unknown', 'rejected', 'expired')
BEGIN
    UPDATE fan_out_members SET state = 'ended' WHERE automation_id = NEW.id AND state = 'started';

    INSERT INTO target_last_runs
    SELECT NEW.org_id, t.id, NEW.template_id, o.outcome, NEW.id, NEW.version, NEW.state,
           iif(OLD.state = 'unknown', OLD.finished_at, NEW.finished_at)
      FROM targets t
      JOIN (SELECT 'any' AS outcome UNION ALL SELECT 'succeeded') o
        ON o.outcome = 'any' OR o.outcome = NEW.state
     WHERE t.org_id = NEW.org_id AND t.deleted_at IS NULL AND t.created_at <= NEW.created_at
       AND t.name = CASE WHEN json_valid(NEW.member_of)
                              AND NEW.member_of ->> '$.member.target' IS NOT NULL
                         THEN NEW.member_of ->> '$.member.name' END
       AND NEW.version > 0 AND NEW.started_at IS NOT NULL AND NEW.finished_at IS NOT NULL
        ON CONFLICT (org_id, target_id, template_id, outcome) DO UPDATE
       SET automation_id = excluded.automation_id, version = excluded.version,
           state = excluded.state, ended_at = excluded.ended_at
     WHERE excluded.ended_at >= target_last_runs.ended_at;
END;

CREATE INDEX automations_ended ON automations (org_id, state, id)
    WHERE NOT (state <> 'succeeded' AND state <> 'failed' AND state <> 'cancelled'
               AND state <> 'timed_out' AND state <> 'unknown' AND state <> 'rejected'
               AND state <> 'expired');

CREATE INDEX automations_ended_by_requester ON automations (org_id, requester_id, state, id, template)
    WHERE NOT (state <> 'succeeded' AND state <> 'failed' AND state <> 'cancelled'
               AND state <> 'timed_out' AND state <> 'unknown' AND state <> 'rejected'
               AND state <> 'expired');

CREATE INDEX automations_ended_by_template ON automations (org_id, template, state, id)
    WHERE NOT (state <> 'succeeded' AND state <> 'failed' AND state <> 'cancelled'
               AND state <> 'timed_out' AND state <> 'unknown' AND state <> 'rejected'
               AND state <> 'expired');

CREATE TRIGGER automations_enter_concurrency AFTER INSERT ON automations
WHEN NEW.concurrency_key IS NOT NULL AND NEW.state <> 'awaiting_approval'
BEGIN
    INSERT OR IGNORE INTO concurrency_changes VALUES (NEW.org_id, NEW.concurrency_key, NEW.id);
END;

CREATE INDEX automations_fanning_out ON automations (id)
 WHERE fan_out <> '' AND state IN ('queued', 'running');

CREATE INDEX automations_holding_concurrency ON automations (org_id, concurrency_key, concurrency_limit)
    WHERE concurrency_key IS NOT NULL AND job_id IS NOT NULL AND concurrency_released_at IS NULL
      AND state IN ('queued', 'running', 'paused', 'unknown');

CREATE INDEX automations_in_concurrency_group ON automations (org_id, concurrency_key, turn, on_limit, requirements, rank, concurrency_limit)
    WHERE concurrency_key IS NOT NULL AND state = 'queued' AND job_id IS NULL;

CREATE INDEX automations_late ON automations (not_after)
    WHERE state = 'queued' AND job_id IS NULL AND not_after IS NOT NULL;

CREATE TRIGGER automations_leave_concurrency AFTER DELETE ON automations
WHEN OLD.concurrency_key IS NOT NULL AND OLD.state = 'unknown'
BEGIN
    INSERT OR IGNORE INTO concurrency_changes VALUES (OLD.org_id, OLD.concurrency_key, OLD.id);
END;

CREATE INDEX automations_open ON automations (org_id, state, id, template, requester_id)
    WHERE NOT (state <> 'planning' AND state <> 'awaiting_approval' AND state <> 'queued'
               AND state <> 'running' AND state <> 'paused');

CREATE INDEX automations_planned ON automations (org_id, start_at, id)
    WHERE start_at IS NOT NULL AND state IN ('awaiting_approval', 'queued');

CREATE INDEX automations_queued ON automations (org_id, requirements, rank)
    WHERE state IN ('planning', 'queued') AND job_id IS NULL AND turn = 'ready';

CREATE INDEX automations_rerun ON automations (rerun_of) WHERE rerun_of IS NOT NULL;

CREATE INDEX automations_resumed ON automations (resumed_from) WHERE resumed_from IS NOT NULL;

CREATE TRIGGER automations_stay BEFORE DELETE ON automations
WHEN (OLD.state IN ('planning', 'awaiting_approval', 'queued', 'running', 'paused')
      OR OLD.id > coalesce((SELECT removed_to FROM removals WHERE org_id = OLD.org_id), ''))
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'an automation is removed by retention only, and only one that has ended');
END;

CREATE TRIGGER automations_stay_authentic BEFORE UPDATE OF manifest_format, principal_id, mac ON automations
WHEN OLD.mac <> '' AND NOT (OLD.state = 'planning' AND NEW.state IN ('awaiting_approval', 'queued'))
BEGIN
    SELECT RAISE(ABORT, 'what an automation was triggered to do never changes');
END;

CREATE TRIGGER automations_stay_bound BEFORE UPDATE OF manifest_digest, evidence ON automations
WHEN OLD.manifest_digest <> '' AND NOT (OLD.state = 'planning' AND NEW.state IN ('awaiting_approval', 'queued'))
BEGIN
    SELECT RAISE(ABORT, 'what an automation was triggered to do never changes');
END;

CREATE TRIGGER automations_that_come_are_counted AFTER INSERT ON automations
BEGIN
    INSERT INTO automation_totals (org_id, kept) VALUES (NEW.org_id, 1)
        ON CONFLICT (org_id) DO UPDATE SET kept = kept + 1;
    INSERT INTO automation_hours (org_id, hour, triggered) VALUES (NEW.org_id, substr(NEW.created_at, 1, 13), 1)
        ON CONFLICT (org_id, hour) DO UPDATE SET triggered = triggered + 1;
END;

CREATE TRIGGER automations_that_go_are_counted AFTER DELETE ON automations
BEGIN
    UPDATE automation_totals SET kept = kept - 1 WHERE org_id = OLD.org_id;
END;

CREATE INDEX automations_waiting_of_template ON automations (org_id, template_id)
    WHERE max_waiting IS NOT NULL AND state IN ('planning', 'awaiting_approval', 'queued');

CREATE TABLE call_waits (
    id            TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    automation_id TEXT NOT NULL REFERENCES automations (id),
    job_id        TEXT NOT NULL REFERENCES jobs (id),
    phase         INTEGER NOT NULL,
    fence         INTEGER NOT NULL,
    asked_at      TEXT NOT NULL, is_after_cancel INTEGER NOT NULL DEFAULT 0
    CHECK (is_after_cancel IN (0, 1)),
    UNIQUE (automation_id, fence)
) STRICT, WITHOUT ROWID;

CREATE TABLE calls (
    wait_id       TEXT NOT NULL REFERENCES call_waits (id),
    position      INTEGER NOT NULL,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    template      TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('due', 'started', 'ended', 'refused')),
    reason        TEXT NOT NULL DEFAULT '',
    automation_id TEXT,
    at            TEXT,
    PRIMARY KEY (wait_id, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX calls_by_automation ON calls (automation_id) WHERE automation_id IS NOT NULL;

CREATE INDEX calls_open ON calls (wait_id, position) WHERE state IN ('due', 'started');

CREATE TABLE chain_starts (
    parent_id     TEXT NOT NULL REFERENCES automations (id),
    position      INTEGER NOT NULL,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    event         TEXT NOT NULL CHECK (event IN ('success', 'failure')),
    template      TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('waiting', 'due', 'started', 'refused')),
    reason        TEXT NOT NULL DEFAULT '',
    automation_id TEXT,
    at            TEXT,
    PRIMARY KEY (parent_id, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX chain_starts_due ON chain_starts (parent_id, position) WHERE state = 'due';

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

CREATE TRIGGER approvals_follow_links_that_end AFTER DELETE ON chat_links
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = OLD.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_links_to_chats AFTER INSERT ON chat_links
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TABLE concurrency_changes (
    org_id          TEXT NOT NULL,
    concurrency_key TEXT NOT NULL,
    automation_id   TEXT NOT NULL,
    PRIMARY KEY (org_id, concurrency_key, automation_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE content_usage (
    org_id TEXT PRIMARY KEY REFERENCES orgs (id),
    stored INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contents (
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    sha256     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    uses       INTEGER NOT NULL DEFAULT 0,
    problem    TEXT NOT NULL DEFAULT '',
    checked_at TEXT NOT NULL,
    PRIMARY KEY (org_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX contents_by_check ON contents (checked_at);

CREATE TRIGGER contents_that_come_are_counted AFTER INSERT ON contents
BEGIN
    INSERT INTO content_usage (org_id, stored) VALUES (NEW.org_id, NEW.size)
        ON CONFLICT (org_id) DO UPDATE SET stored = stored + NEW.size;
END;

CREATE TRIGGER contents_that_go_are_counted AFTER DELETE ON contents
BEGIN
    UPDATE content_usage SET stored = stored - OLD.size WHERE org_id = OLD.org_id;
END;

CREATE INDEX contents_unused ON contents (org_id) WHERE uses = 0;

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

CREATE INDEX deliveries_by_automation ON deliveries (automation_id);

CREATE INDEX deliveries_by_channel ON deliveries (channel_id, id);

CREATE INDEX deliveries_by_channel_and_state ON deliveries (channel_id, state, id);

CREATE INDEX deliveries_by_end ON deliveries (finished_at);

CREATE INDEX deliveries_by_org ON deliveries (org_id, id);

CREATE INDEX deliveries_by_state ON deliveries (org_id, state, id);

CREATE INDEX deliveries_open ON deliveries (channel_id, next_attempt_at) WHERE state IN ('queued', 'failed');

CREATE INDEX deliveries_sending ON deliveries (channel_id) WHERE state = 'sending';

CREATE VIEW enabled_members AS
SELECT m.org_id, m.user_id
  FROM memberships m
  LEFT JOIN memberships owner ON owner.org_id = m.org_id AND owner.user_id = m.owner_id
 WHERE NOT m.is_disabled AND (m.owner_id IS NULL OR owner.is_disabled = 0);

CREATE TABLE fan_out_members (
    parent_id     TEXT NOT NULL REFERENCES automations (id),
    position      INTEGER NOT NULL,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    name          TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('due', 'started', 'ended', 'refused', 'skipped')),
    reason        TEXT NOT NULL DEFAULT '',
    automation_id TEXT,
    at            TEXT,
    PRIMARY KEY (parent_id, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX fan_out_members_by_automation ON fan_out_members (automation_id)
 WHERE automation_id IS NOT NULL;

CREATE INDEX fan_out_members_by_name ON fan_out_members (org_id, name, automation_id)
 WHERE automation_id IS NOT NULL;

CREATE TABLE forwarding_cursors (
    destination TEXT NOT NULL,
    org_id      TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    PRIMARY KEY (destination, org_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_members (
    org_id    TEXT NOT NULL,
    name      TEXT NOT NULL,
    user_id   TEXT NOT NULL REFERENCES users (id),
    joined_at TEXT NOT NULL, joined_seq INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (org_id, name, user_id),
    FOREIGN KEY (org_id, name) REFERENCES groups (org_id, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER approvals_follow_who_joins_a_group AFTER INSERT ON group_members
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_who_leaves_a_group AFTER DELETE ON group_members
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = OLD.org_id AND state = 'pending';
END;

CREATE INDEX group_members_by_user ON group_members (org_id, user_id);

CREATE TABLE groups (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    rules       TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL, deciding_seq INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER approvals_follow_groups AFTER UPDATE OF rules ON groups WHEN OLD.rules <> NEW.rules
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TABLE idempotency_keys (
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    user_id        TEXT NOT NULL REFERENCES users (id),
    key            TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    resource       TEXT NOT NULL,
    created_at     TEXT NOT NULL,
    PRIMARY KEY (org_id, user_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE invitations (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    email          TEXT NOT NULL COLLATE NOCASE,
    role           TEXT NOT NULL,
    manager_id     TEXT REFERENCES users (id),
    token_hash     TEXT NOT NULL UNIQUE,
    invited_by     TEXT NOT NULL REFERENCES users (id),
    is_by_server_operator INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    expires_at     TEXT NOT NULL,
    accepted_at    TEXT,
    accepted_by    TEXT REFERENCES users (id),
    revoked_at     TEXT
, delivery_id TEXT) STRICT, WITHOUT ROWID;

CREATE INDEX invitations_by_delivery ON invitations (delivery_id) WHERE delivery_id IS NOT NULL;

CREATE INDEX invitations_emailed ON invitations (org_id, created_at) WHERE delivery_id IS NOT NULL;

CREATE UNIQUE INDEX invitations_open ON invitations (org_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE TABLE jobs (
    id            TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    automation_id TEXT NOT NULL REFERENCES automations (id),
    worker_id     TEXT NOT NULL REFERENCES workers (id),
    fence         INTEGER NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('leased', 'running', 'paused', 'succeeded', 'failed', 'cancelled', 'timed_out',
                                                 'unknown', 'returned')),
    phases        TEXT NOT NULL DEFAULT '[]',
    exit_code     INTEGER,
    explanation   TEXT NOT NULL DEFAULT '',
    leased_at     TEXT NOT NULL,
    started_at    TEXT,
    finished_at   TEXT, pause_id TEXT, kept_until TEXT, is_plan INTEGER NOT NULL DEFAULT 0, orders_kept INTEGER NOT NULL DEFAULT 0,
    UNIQUE (automation_id, fence)
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_by_worker ON jobs (worker_id, org_id, id);

CREATE INDEX jobs_held ON jobs (worker_id) WHERE finished_at IS NULL;

CREATE INDEX jobs_held_of_org ON jobs (org_id) WHERE finished_at IS NULL;

CREATE TABLE join_tokens (
    id         TEXT PRIMARY KEY,
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    key        BLOB NOT NULL,
    created_by TEXT NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at    TEXT,
    worker_id  TEXT REFERENCES workers (id)
, is_shared INTEGER NOT NULL DEFAULT 0, labels TEXT, max_uses INTEGER NOT NULL DEFAULT 1, uses INTEGER NOT NULL DEFAULT 0, revoked_at TEXT) STRICT, WITHOUT ROWID;

CREATE INDEX join_tokens_open ON join_tokens (org_id, expires_at) WHERE uses < max_uses;

CREATE TABLE link_codes (
    channel_id TEXT NOT NULL REFERENCES channels (id),
    user_id    TEXT NOT NULL REFERENCES users (id),
    code_hash  TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (channel_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_tails (
    job_id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL,
    chunks BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE login_attempts (
    id      INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    address TEXT NOT NULL,
    at      TEXT NOT NULL
) STRICT;

CREATE INDEX login_attempts_by_account ON login_attempts (account, at);

CREATE INDEX login_attempts_by_address ON login_attempts (address, at);

CREATE INDEX login_attempts_by_time ON login_attempts (at);

CREATE TABLE "memberships" (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    user_id     TEXT NOT NULL REFERENCES users (id),
    role        TEXT NOT NULL,
    manager_id  TEXT REFERENCES users (id),
    is_disabled INTEGER NOT NULL DEFAULT 0,
    created_at  TEXT NOT NULL, rules TEXT NOT NULL DEFAULT '[]', owner_id TEXT REFERENCES users (id), role_seq INTEGER NOT NULL DEFAULT 0, rules_seq INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (org_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER approvals_follow_members AFTER UPDATE OF role, manager_id, is_disabled, rules, owner_id ON memberships
WHEN (OLD.role, OLD.manager_id, OLD.is_disabled, OLD.rules, OLD.owner_id)
     IS NOT (NEW.role, NEW.manager_id, NEW.is_disabled, NEW.rules, NEW.owner_id)
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_members_who_come AFTER INSERT ON memberships
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_members_who_go AFTER DELETE ON memberships
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = OLD.org_id AND state = 'pending';
END;

CREATE INDEX memberships_by_owner ON memberships (org_id, owner_id) WHERE owner_id IS NOT NULL;

CREATE INDEX memberships_by_user ON memberships (user_id);

CREATE TABLE notice_preferences (
    user_id    TEXT NOT NULL REFERENCES users (id),
    channel_id TEXT NOT NULL REFERENCES channels (id),
    kind       TEXT NOT NULL,
    is_on      INTEGER NOT NULL,
    PRIMARY KEY (user_id, channel_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_keys (
    org_id        TEXT NOT NULL,
    public_key    BLOB NOT NULL,
    first_used_at TEXT NOT NULL,
    mac           TEXT NOT NULL,
    PRIMARY KEY (org_id, public_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    job_id     TEXT NOT NULL REFERENCES jobs (id),
    fence      INTEGER NOT NULL,
    content    BLOB NOT NULL,
    signature  BLOB NOT NULL,
    public_key BLOB NOT NULL,
    PRIMARY KEY (job_id, fence)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER orders_never_change BEFORE UPDATE ON orders
BEGIN
    SELECT RAISE(ABORT, 'an order never changes');
END;

CREATE TRIGGER orders_stay BEFORE DELETE ON orders
WHEN NOT EXISTS (SELECT 1 FROM jobs j JOIN removals r ON r.org_id = j.org_id
                  WHERE j.id = OLD.job_id AND j.automation_id <= r.removed_to)
 AND NOT EXISTS (SELECT 1 FROM jobs j JOIN org_removals r ON r.org_id = j.org_id
                  WHERE j.id = OLD.job_id)
BEGIN
    SELECT RAISE(ABORT, 'an order is removed by retention only, together with its automation');
END;

CREATE TABLE org_removals (
    org_id         TEXT PRIMARY KEY,
    code           TEXT NOT NULL,
    asked_by       TEXT NOT NULL,
    begun_at       TEXT NOT NULL,
    automations    INTEGER NOT NULL,
    removed        INTEGER NOT NULL DEFAULT 0,
    rows_removed   INTEGER NOT NULL DEFAULT 0,
    log_bytes      INTEGER NOT NULL,
    artifact_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE orgs (
    id         TEXT PRIMARY KEY,
    code       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    created_at TEXT NOT NULL
, allows_shared_workers INTEGER NOT NULL DEFAULT 0, shared_served_seq INTEGER NOT NULL DEFAULT 0, max_running INTEGER CHECK (max_running > 0), max_waiting INTEGER CHECK (max_waiting > 0), log_retention_days INTEGER CHECK (log_retention_days > 0), max_log_mib INTEGER CHECK (max_log_mib > 0), hourly_quota INTEGER CHECK (hourly_quota > 0), log_quota_mib INTEGER CHECK (log_quota_mib > 0), artifact_quota_mib INTEGER CHECK (artifact_quota_mib > 0), suspended_at TEXT, suspended_reason TEXT NOT NULL DEFAULT '', delete_at TEXT, deletion_asked_by TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;

CREATE INDEX orgs_by_deletion ON orgs (delete_at) WHERE delete_at IS NOT NULL;

CREATE INDEX orgs_by_shared_served_seq ON orgs (shared_served_seq);

CREATE TABLE password_resets (
    user_id    TEXT PRIMARY KEY REFERENCES users (id),
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    token_hash TEXT NOT NULL UNIQUE,
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    name           TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    deleted_at     TEXT
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX policies_by_name ON policies (org_id, name) WHERE deleted_at IS NULL;

CREATE TABLE policy_versions (
    org_id    TEXT NOT NULL REFERENCES orgs (id),
    policy_id TEXT NOT NULL REFERENCES policies (id),
    version   INTEGER NOT NULL,
    digest    TEXT NOT NULL,
    source    TEXT NOT NULL,
    document  TEXT NOT NULL,
    pushed_by TEXT NOT NULL REFERENCES users (id),
    pushed_at TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (policy_id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER policy_versions_are_immutable BEFORE UPDATE ON policy_versions
BEGIN
    SELECT RAISE(ABORT, 'a policy version never changes');
END;

CREATE INDEX policy_versions_that_apply ON policy_versions (org_id, policy_id, version)
 WHERE json_type(document, '$.applies_to') IS NOT NULL;

CREATE TABLE recovery_codes (
    user_id   TEXT NOT NULL REFERENCES users (id),
    code_hash TEXT NOT NULL,
    used_at   TEXT,
    PRIMARY KEY (user_id, code_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE removals (
    org_id     TEXT PRIMARY KEY REFERENCES orgs (id),
    removed_to TEXT NOT NULL,
    at         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE roles (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    rules       TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL, deciding_seq INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER approvals_follow_roles AFTER UPDATE OF rules ON roles WHEN OLD.rules <> NEW.rules
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TABLE schedule_versions (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    schedule_id TEXT NOT NULL REFERENCES schedules (id),
    version     INTEGER NOT NULL,
    digest      TEXT NOT NULL,
    source      TEXT NOT NULL,
    document    TEXT NOT NULL,
    pushed_by   TEXT NOT NULL REFERENCES users (id),
    pushed_at   TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (schedule_id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER schedule_versions_are_immutable BEFORE UPDATE ON schedule_versions
BEGIN
    SELECT RAISE(ABORT, 'a schedule version never changes');
END;

CREATE TABLE schedules (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    name           TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    deleted_at     TEXT,
    is_paused      INTEGER NOT NULL DEFAULT 0,
    due_at         TEXT,
    start_at       TEXT,
    done_until     TEXT,
    last_due_at    TEXT,
    last_at        TEXT,
    last_outcome   TEXT NOT NULL DEFAULT '',
    last_reason    TEXT NOT NULL DEFAULT '',
    last_automation_id TEXT
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX schedules_by_name ON schedules (org_id, name) WHERE deleted_at IS NULL;

CREATE INDEX schedules_by_start ON schedules (start_at) WHERE start_at IS NOT NULL;

CREATE TABLE sealed_values (
    automation_id TEXT PRIMARY KEY REFERENCES automations (id),
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    wrapped_key   BLOB NOT NULL,
    ciphertext    BLOB NOT NULL
, commitments TEXT NOT NULL DEFAULT '{}') STRICT, WITHOUT ROWID;

CREATE TABLE secret_uses (
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    name          TEXT NOT NULL,
    used_at       TEXT NOT NULL,
    automation_id TEXT NOT NULL,
    PRIMARY KEY (org_id, name),
    FOREIGN KEY (org_id, name) REFERENCES secrets (org_id, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

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

CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    org_id       TEXT NOT NULL REFERENCES orgs (id),
    user_id      TEXT NOT NULL REFERENCES users (id),
    kind         TEXT NOT NULL CHECK (kind IN ('browser', 'cli')),
    token_hash   TEXT NOT NULL UNIQUE,
    address      TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    expires_at   TEXT NOT NULL
, proven_at TEXT) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE target_last_runs (
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    target_id     TEXT NOT NULL REFERENCES targets (id),
    template_id   TEXT NOT NULL REFERENCES templates (id),
    outcome       TEXT NOT NULL CHECK (outcome IN ('any', 'succeeded')),
    automation_id TEXT NOT NULL,
    version       INTEGER NOT NULL,
    state         TEXT NOT NULL,
    ended_at      TEXT NOT NULL,
    PRIMARY KEY (org_id, target_id, template_id, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE target_versions (
    org_id    TEXT NOT NULL REFERENCES orgs (id),
    target_id TEXT NOT NULL REFERENCES targets (id),
    version   INTEGER NOT NULL,
    digest    TEXT NOT NULL,
    source    TEXT NOT NULL,
    document  TEXT NOT NULL,
    pushed_by TEXT NOT NULL REFERENCES users (id),
    pushed_at TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (target_id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER target_versions_are_immutable BEFORE UPDATE ON target_versions
BEGIN
    SELECT RAISE(ABORT, 'a target version never changes');
END;

CREATE TABLE targets (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    name           TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    deleted_at     TEXT
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX targets_by_name ON targets (org_id, name) WHERE deleted_at IS NULL;

CREATE TABLE template_versions (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    template_id TEXT NOT NULL REFERENCES templates (id),
    version     INTEGER NOT NULL,
    digest      TEXT NOT NULL,
    source      TEXT NOT NULL,
    document    TEXT NOT NULL,
    pushed_by   TEXT NOT NULL REFERENCES users (id),
    pushed_at   TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (template_id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER template_versions_are_immutable BEFORE UPDATE ON template_versions
BEGIN
    SELECT RAISE(ABORT, 'a template version never changes');
END;

CREATE TABLE templates (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    name           TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    deleted_at     TEXT
) STRICT, WITHOUT ROWID;

CREATE TRIGGER approvals_follow_templates AFTER UPDATE OF latest_version ON templates
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z'
     WHERE org_id = NEW.org_id AND state = 'pending'
       AND (SELECT template FROM automations WHERE id = approvals.automation_id) = NEW.name;
END;

CREATE UNIQUE INDEX templates_by_name ON templates (org_id, name) WHERE deleted_at IS NULL;

CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    org_id       TEXT NOT NULL REFERENCES orgs (id),
    user_id      TEXT NOT NULL REFERENCES users (id),
    name         TEXT NOT NULL,
    token_hash   TEXT NOT NULL UNIQUE,
    prefix       TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    last_used_at TEXT
, scopes TEXT, is_proven INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_user ON tokens (org_id, user_id);

CREATE TABLE trigger_calls (
    id            TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    trigger_id    TEXT NOT NULL REFERENCES triggers (id),
    is_verified   INTEGER NOT NULL,
    at            TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    reason        TEXT NOT NULL,
    automation_id TEXT,
    mapped        TEXT NOT NULL,
    body_bytes    INTEGER NOT NULL,
    body_sha256   TEXT NOT NULL,
    address       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX trigger_calls_by_trigger ON trigger_calls (trigger_id, is_verified, id);

CREATE TABLE trigger_receipts (
    trigger_id    TEXT NOT NULL REFERENCES triggers (id),
    key           TEXT NOT NULL,
    automation_id TEXT NOT NULL,
    expires_at    TEXT NOT NULL,
    PRIMARY KEY (trigger_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX trigger_receipts_by_expiry ON trigger_receipts (trigger_id, expires_at);

CREATE TABLE trigger_secrets (
    trigger_id  TEXT PRIMARY KEY REFERENCES triggers (id),
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    version     INTEGER NOT NULL,
    wrapped_key BLOB NOT NULL,
    ciphertext  BLOB NOT NULL,
    made_at     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE trigger_versions (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    trigger_id  TEXT NOT NULL REFERENCES triggers (id),
    version     INTEGER NOT NULL,
    digest      TEXT NOT NULL,
    source      TEXT NOT NULL,
    document    TEXT NOT NULL,
    pushed_by   TEXT NOT NULL REFERENCES users (id),
    pushed_at   TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (trigger_id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER trigger_versions_are_immutable BEFORE UPDATE ON trigger_versions
BEGIN
    SELECT RAISE(ABORT, 'a trigger version never changes');
END;

CREATE TABLE triggers (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    name           TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    deleted_at     TEXT,
    is_paused      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX triggers_by_name ON triggers (org_id, name) WHERE deleted_at IS NULL;

CREATE TABLE uploads (
    id         TEXT PRIMARY KEY,
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    user_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    sha256     TEXT NOT NULL,
    created_at TEXT NOT NULL,
    used_at    TEXT,
    FOREIGN KEY (org_id, sha256) REFERENCES contents (org_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX uploads_by_age ON uploads (created_at);

CREATE INDEX uploads_by_content ON uploads (org_id, sha256);

CREATE TRIGGER uploads_let_contents_go AFTER DELETE ON uploads
BEGIN
    UPDATE contents SET uses = uses - 1 WHERE org_id = OLD.org_id AND sha256 = OLD.sha256;
END;

CREATE INDEX uploads_unused ON uploads (org_id, user_id) WHERE used_at IS NULL;

CREATE TRIGGER uploads_use_contents AFTER INSERT ON uploads
BEGIN
    UPDATE contents SET uses = uses + 1 WHERE org_id = NEW.org_id AND sha256 = NEW.sha256;
END;

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at    TEXT NOT NULL
, is_server_operator INTEGER NOT NULL DEFAULT 0, former_email TEXT, language TEXT NOT NULL DEFAULT '', time_zone TEXT NOT NULL DEFAULT '', times TEXT NOT NULL DEFAULT 'relative') STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    id                     TEXT PRIMARY KEY,
    org_id                 TEXT NOT NULL REFERENCES orgs (id),
    name                   TEXT NOT NULL,
    state                  TEXT NOT NULL CHECK (state IN ('active', 'draining', 'revoked')),
    labels                 TEXT NOT NULL,
    runtimes               TEXT NOT NULL,
    slots                  INTEGER NOT NULL,
    version                TEXT NOT NULL,
    boot_id                TEXT NOT NULL,
    certificate_serial     TEXT NOT NULL,
    certificate_expires_at TEXT NOT NULL,
    created_at             TEXT NOT NULL,
    last_seen_at           TEXT
, is_shared INTEGER NOT NULL DEFAULT 0, history_reported_at TEXT, granted_labels TEXT NOT NULL DEFAULT '{}', copied_from TEXT, join_token_id TEXT, enrolled_key TEXT, is_ephemeral INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX shared_workers_by_name ON workers (name) WHERE state <> 'revoked' AND is_shared;

CREATE UNIQUE INDEX workers_by_enrolment ON workers (join_token_id, enrolled_key) WHERE join_token_id IS NOT NULL;

CREATE UNIQUE INDEX workers_by_name ON workers (org_id, name) WHERE state <> 'revoked' AND NOT is_shared;

CREATE INDEX workers_by_org ON workers (org_id, id);

CREATE INDEX workers_ephemeral ON workers (last_seen_at) WHERE is_ephemeral AND state <> 'revoked';

CREATE INDEX workers_in_service ON workers (org_id, id) WHERE state <> 'revoked' AND NOT is_shared;

CREATE INDEX workers_named ON workers (name);
