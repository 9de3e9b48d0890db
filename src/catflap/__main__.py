"""`python -m catflap`: the same as `catflap`."""

from catflap.main import run

run()
