"""tinygraph."""
