"""Schedules: pushed as documents, kept as versions, and started when their times come."""
