"""`catflap doctor` from the inside: what is looked at, what is wrong with it, and what can be mended safely."""
