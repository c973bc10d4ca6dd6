"""A main thread that stays free while modules are imported."""
