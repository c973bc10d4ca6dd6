"""Imports that cannot break, whichever thread they run on."""
