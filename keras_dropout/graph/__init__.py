"""Reads Keras graphs of layers: what the noise reaches."""
