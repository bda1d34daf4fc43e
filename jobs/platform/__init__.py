"""What the engine stands on: PostgreSQL, HTTP, processes. Only its notifier has a word for runs."""
