"""Reads Keras graphs: which layers come after the noise."""
