"""Noise on the weights of a wrapped layer."""
