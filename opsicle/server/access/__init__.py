"""Who asks and what they may do: asked by every feature before it does anything."""
