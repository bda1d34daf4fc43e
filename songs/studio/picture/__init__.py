"""The cover."""
