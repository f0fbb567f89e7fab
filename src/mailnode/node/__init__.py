"""The Send SMTP Email node: its settings, expressions, HTML and attachments become an email, an outcome its result."""
