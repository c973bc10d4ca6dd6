"""The benchmark: other ways to import beside a warmup, and what ipywarmup costs."""
