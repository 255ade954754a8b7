"""Tools of those who maintain the package; they are no part of it."""
