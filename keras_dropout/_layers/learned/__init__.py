"""Layers whose rates, noise or masks come from the data, or are fixed for good."""
