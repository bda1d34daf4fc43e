"""An event is accepted, deduplicated, and becomes runs."""
