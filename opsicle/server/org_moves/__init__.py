"""Moving an org from one server to another: what it takes along, and how it is taken in."""
