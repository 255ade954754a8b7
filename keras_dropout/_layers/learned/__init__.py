"""Layers with rates, noise or masks that come from the data, or are always the same."""
