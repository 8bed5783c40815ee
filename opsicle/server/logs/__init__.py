"""What people do with logs: read parts of them, and search them."""
