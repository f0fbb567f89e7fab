"""What makes mailnode the way out for others' frameworks; each module imports its framework itself."""
