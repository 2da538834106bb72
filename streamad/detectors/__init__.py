"""Windows to scores: one family a file."""
