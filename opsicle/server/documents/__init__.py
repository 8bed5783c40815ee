"""What templates, policies, schedules, triggers and targets share: people push them."""
