"""Whole channels dropped together."""
