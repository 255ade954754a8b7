"""Noise on single units."""
