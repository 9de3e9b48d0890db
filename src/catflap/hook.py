"""The lean door that git hooks use."""


def run() -> None: ...
