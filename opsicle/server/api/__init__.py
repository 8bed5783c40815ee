"""Routes: decode, one service call, encode."""
