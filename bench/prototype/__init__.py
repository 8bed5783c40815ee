"""A bare server and worker of Opsicle's shape, which the figures stand beside.

One table, `synchronous=FULL`, group commit, mutual TLS, long polls, work begun only after a durable
*start*. No users, audit, approvals, templates, leases, spools, journals, masking, or errors that
explain themselves. Written as one writes a first version: bottle on gevent's own WSGI server, apsw,
`http.client`, `subprocess`. What a job costs here is what this language and these libraries cost,
and the rest of what a job costs in the product is ours.
"""
