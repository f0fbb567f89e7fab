"""What wakes a worker when a delivery is due: this process's memory, or PostgreSQL with procrastinate."""
