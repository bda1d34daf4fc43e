"""The engine's statements: pipeline, prepared, NOTIFY, one clock, and what a lost connection is."""
