"""Telling people and asking them: channels, deliveries, and decisions that come back by chat."""
