"""Where the names of modules come from."""
