"""The routes about accounts and proofs of identity."""
