"""Measurements of catflap beside what it is built on; `make bench` runs them."""
