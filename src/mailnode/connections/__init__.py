"""Connections, that is named logins with encrypted secrets, and the known email services."""
