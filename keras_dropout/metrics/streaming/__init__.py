"""The metrics as Keras metrics, which see a batch at a time."""
