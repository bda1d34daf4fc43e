"""What an operator may do to runs: cancel, rerun, pause, many at once."""
