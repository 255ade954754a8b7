"""Noise within the steps of recurrent layers."""
