"""The application server."""
