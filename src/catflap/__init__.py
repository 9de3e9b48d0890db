"""catflap announces what happens to Spec Kitty work packages without anybody announcing it."""

__version__ = "0.1.0"
