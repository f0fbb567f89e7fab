"""The HTTP API (design 4.9): a module for each resource."""
