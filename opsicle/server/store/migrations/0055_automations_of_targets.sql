-- What ran on a machine of a name, newest first: for the page of a target.
CREATE INDEX fan_out_members_by_name ON fan_out_members (org_id, name, automation_id)
 WHERE automation_id IS NOT NULL;
