"""A run's life in the database: every transition, each one statement."""
