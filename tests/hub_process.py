"""Runs a hub with limits of a test's own: ``python -m tests.hub_process DATABASE PORT LIMITS_AS_JSON``."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from catflap.hub.limits import Limits
from catflap.hub.server import serve


def main() -> int:
    database, port, limits = sys.argv[1:]
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
    return serve(
        Path(database),
        "127.0.0.1",
        int(port),
        announce=lambda url: print(url, flush=True),
        limits=Limits(**json.loads(limits)),
    )


if __name__ == "__main__":
    sys.exit(main())
