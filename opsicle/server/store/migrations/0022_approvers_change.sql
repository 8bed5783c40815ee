-- Who may decide has changed, by whatever way: what waits for decisions is looked at again at once, by the loop that
-- keeps the time of approvals. So no service has to think of it, and none is forgotten over a restart.

CREATE TRIGGER approvals_follow_members_who_come AFTER INSERT ON memberships
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_members AFTER UPDATE OF role, manager_id, is_disabled, rules, owner_id ON memberships
WHEN (OLD.role, OLD.manager_id, OLD.is_disabled, OLD.rules, OLD.owner_id)
     IS NOT (NEW.role, NEW.manager_id, NEW.is_disabled, NEW.rules, NEW.owner_id)
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_members_who_go AFTER DELETE ON memberships
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = OLD.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_groups AFTER UPDATE OF rules ON groups WHEN OLD.rules <> NEW.rules
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_who_joins_a_group AFTER INSERT ON group_members
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_who_leaves_a_group AFTER DELETE ON group_members
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = OLD.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_roles AFTER UPDATE OF rules ON roles WHEN OLD.rules <> NEW.rules
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_links_to_chats AFTER INSERT ON chat_links
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = NEW.org_id AND state = 'pending';
END;

CREATE TRIGGER approvals_follow_links_that_end AFTER DELETE ON chat_links
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z' WHERE org_id = OLD.org_id AND state = 'pending';
END;

-- Rules are about the labels of a template's newest version too.
CREATE TRIGGER approvals_follow_templates AFTER UPDATE OF latest_version ON templates
BEGIN
    UPDATE approvals SET next_at = '1970-01-01T00:00:00.000000Z'
     WHERE org_id = NEW.org_id AND state = 'pending'
       AND (SELECT template FROM automations WHERE id = approvals.automation_id) = NEW.name;
END;
