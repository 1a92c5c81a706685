"""General helpers that do not depend on this package, one module each."""
