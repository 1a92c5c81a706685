"""Small things that know nothing of this package, a module each."""
