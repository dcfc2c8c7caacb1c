"""Angaza for mpm."""
