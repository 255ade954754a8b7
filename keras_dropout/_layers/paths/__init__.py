"""Paths and layers dropped whole."""
