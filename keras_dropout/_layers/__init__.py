"""The code of the noise layers: a folder for each family, and what they share."""
