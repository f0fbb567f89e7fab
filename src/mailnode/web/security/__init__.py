"""Who may come in: the token, sessions of browsers, and what every request must show."""
