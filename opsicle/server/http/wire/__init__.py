"""Sockets, TLS and strict HTTP/1.1: everything between the wire and the WSGI application."""
