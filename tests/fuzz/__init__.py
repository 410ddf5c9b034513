"""Coverage-guided fuzzing of the parsers, bounded by a number of runs."""
