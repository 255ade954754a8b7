"""Random pooling, and noise on activations."""
