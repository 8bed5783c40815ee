"""HTTP: the route table, the WSGI application, and what every route has in common."""
