"""The people and programs of an org: users, groups, roles, service accounts, invitations, tokens."""
