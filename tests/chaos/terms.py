"""What the trial's processes tell each other by their environment."""

ENDPOINT = "CHAOS_ENDPOINT"
LEASE = "CHAOS_LEASE"
FUZZ_SEED = "CHAOS_FUZZ_SEED"
FUZZED_FUNCTIONS = 30  # of whatever options; most of them are refused
KNOWS_STRANGER = "CHAOS_KNOWS_STRANGER"  # only who sends the events knows this function
