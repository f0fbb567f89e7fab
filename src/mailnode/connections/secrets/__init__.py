"""Secrets at rest: what seals them, with which keys, and how a key is changed."""
