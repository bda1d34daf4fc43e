"""What the panel counts: rollups of ended runs, failures by kind, what needs an operator now."""
