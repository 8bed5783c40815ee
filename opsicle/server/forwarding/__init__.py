"""The record, forwarded as it grows: to a syslog collector and into a file."""
