"""As whom mail is sent: services known by name, and named connections whose secrets are encrypted."""
