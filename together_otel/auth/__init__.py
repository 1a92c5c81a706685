"""Keys that this process has seen, their history, and the diagnosis of a failure."""
