"""A catch-all SMTP server for people and tests: `server` keeps what it is sent, `folder` reads what was kept."""
