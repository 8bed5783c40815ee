"""What those who run the server do with orgs: their sizes, quotas, suspending, removing."""
