"""An org's people and programs: users, groups, roles, service accounts, invitations, tokens."""
