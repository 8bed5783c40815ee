"""Automations: triggering, showing, cancelling and following them, and how long they are kept."""
