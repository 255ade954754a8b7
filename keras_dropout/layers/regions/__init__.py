"""Contiguous regions dropped together."""
