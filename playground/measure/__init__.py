"""Measuring engines for the table, one file per row: `python -m playground.measure digits`."""
