-- Policies that apply by themselves are looked for whenever something is triggered or handed out.
CREATE INDEX policy_versions_that_apply ON policy_versions (org_id, policy_id, version)
 WHERE json_type(document, '$.applies_to') IS NOT NULL;
