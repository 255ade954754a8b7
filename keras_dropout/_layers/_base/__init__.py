"""The parts that all noise layers are made of."""
