"""What those who run the server do with orgs: how large they are, and what they may use."""
