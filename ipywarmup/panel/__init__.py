"""What people see of a warmup: rows, and the ways to draw them."""
