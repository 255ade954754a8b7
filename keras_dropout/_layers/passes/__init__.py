"""Several passes with different noise in one training step."""
