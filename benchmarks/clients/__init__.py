"""The clients that are measured: each takes one job as JSON, sends or composes, and prints its tally as JSON."""
