"""What the engine stands on: PostgreSQL, HTTP, processes. Nothing here knows of runs."""
