"""What templates and policies have in common as documents that people push."""
