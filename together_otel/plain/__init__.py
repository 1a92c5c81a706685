"""Small things that know nothing of this package: imports when used, the nearest word, weak maps."""
