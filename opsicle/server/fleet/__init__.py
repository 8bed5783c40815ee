"""Which workers are connected now, and waking whoever waits for a change. All in memory."""
