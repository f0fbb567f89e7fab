"""Snapshots: flows and connections in an encrypted file, and how they are restored."""
