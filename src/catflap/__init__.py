"""catflap announces what happens to Spec Kitty work packages without anybody announcing it."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, which takes 2 ms to import: every hook imports this file
if TYPE_CHECKING:
    from typing import Any

    from catflap.clock import LamportClock, generate_node_id
    from catflap.emitter import (
        EventEmitter,
        emit_dependency_resolved,
        emit_error_logged,
        emit_feature_completed,
        emit_feature_created,
        emit_history_added,
        emit_wp_assigned,
        emit_wp_created,
        emit_wp_status_changed,
        get_emitter,
    )
    from catflap.events import Event
    from catflap.queue import OfflineQueue

__version__ = "0.1.0"

__all__ = [
    "Event",
    "EventEmitter",
    "LamportClock",
    "OfflineQueue",
    "emit_dependency_resolved",
    "emit_error_logged",
    "emit_feature_completed",
    "emit_feature_created",
    "emit_history_added",
    "emit_wp_assigned",
    "emit_wp_created",
    "emit_wp_status_changed",
    "generate_node_id",
    "get_emitter",
]

_HOMES = {"Event": "events", "LamportClock": "clock", "generate_node_id": "clock", "OfflineQueue": "queue"}
"""The module of each name; the others are the emitter's."""


def __getattr__(name: str) -> Any:
    """The public name, from its module, which is imported now (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'emitter')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
