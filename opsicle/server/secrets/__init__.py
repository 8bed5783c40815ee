"""The secrets of an org. Values go in and never come out."""
