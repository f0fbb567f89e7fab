"""The Send SMTP Email node of a flow builder: compose, send, and tell the truth about it."""
