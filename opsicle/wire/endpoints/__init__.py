"""Every endpoint of the server, one file a noun: what routes, clients and the OpenAPI document agree on."""
