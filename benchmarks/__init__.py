"""Measurements of speed, as ratios in one process. See README.md."""
