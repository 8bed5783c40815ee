-- Columns called what they hold: the notices that an approval has sent, and where an org stands in the order in which
-- shared workers serve orgs.
ALTER TABLE approvals RENAME COLUMN told TO notified;
DROP INDEX orgs_by_shared_turn;
ALTER TABLE orgs RENAME COLUMN shared_turn TO shared_served_seq;
CREATE INDEX orgs_by_shared_served_seq ON orgs (shared_served_seq);
