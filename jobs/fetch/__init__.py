"""`step.fetch`: a request is a row, and a gateway sends it."""
