"""Whether each family of layers earns its place, in small. See `docs/experiments`."""
