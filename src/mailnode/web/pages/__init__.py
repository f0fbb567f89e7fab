"""The pages: each shows what the API gives."""
