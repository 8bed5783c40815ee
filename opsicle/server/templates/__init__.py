"""Templates: pushed as documents, kept as immutable numbered versions."""
