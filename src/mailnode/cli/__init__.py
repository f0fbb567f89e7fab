"""The command line: it reads arguments, calls `app.py`, and shows what came of it."""
