"""Measurements: each file prints a table; `make bench` runs them all."""
