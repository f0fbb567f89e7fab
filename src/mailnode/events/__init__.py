"""Outcomes told to others: webhooks."""
