"""Approvals: who is asked, who decided, and whether what would run is what was agreed to."""
