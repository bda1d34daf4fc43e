"""What the trial's processes tell each other by their environment."""

ENDPOINT = "CHAOS_ENDPOINT"
LEASE = "CHAOS_LEASE"
KNOWS_STRANGER = "CHAOS_KNOWS_STRANGER"  # only who sends the events knows this function
