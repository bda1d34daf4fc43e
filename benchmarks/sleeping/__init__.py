"""Functions that sleep; their names are known without Django."""

FN_ID, EVENT, WOKE = "bench-sleeper", "bench-sleep", "woke"
PARKED = "bench-parked"  # function and event
