"""Who may ask the HTTP API for what, beside the owner of its token, and who has asked."""
