"""Tests of carrying out jobs on one machine."""
