"""Tokens, patches, words and attention heads dropped together."""
