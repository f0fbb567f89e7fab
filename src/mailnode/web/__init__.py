"""The editor in a browser, and the HTTP API that it works by; both hold no rule of their own."""
