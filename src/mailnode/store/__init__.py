"""The database: its tables, the one way to read and write them, and how an older file becomes a newer one.

Nothing here knows what a delivery or a connection means; that is written where those are.
"""
