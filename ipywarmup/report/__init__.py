"""Where the time of a warmup went."""
