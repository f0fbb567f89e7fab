"""Snapshots: connections in an encrypted file beside flows, and how they come back."""
