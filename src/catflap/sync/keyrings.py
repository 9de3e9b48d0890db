"""The system's keyring for tokens, where the package keyring is installed and has a place to keep them."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from types import ModuleType

from catflap.errors import CredentialsUnusable

SERVICE = "catflap"
_HINT = "unlock it, or log in again"


class Keyring:
    """Secrets by server and name. What goes wrong in a backend of the system's can be anything: it is said."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def get(self, server: str, username: str) -> str:
        """What was put. Raises: CredentialsUnusable."""
        try:
            found = self._module.get_password(SERVICE, _entry(server, username))
        except Exception as error:  # a backend raises whatever its system's library does
            raise _unusable(str(error)) from error
        if not isinstance(found, str):
            raise _unusable("it has no entry for this session")
        return found

    def put(self, server: str, username: str, secret: str) -> None:
        """Keep ``secret``. Raises: CredentialsUnusable, without the secret in its words."""
        try:
            self._module.set_password(SERVICE, _entry(server, username), secret)
        except Exception as error:  # noqa: BLE001 - as above, without the backend's words
            raise _unusable(type(error).__name__) from None

    def remove(self, server: str, username: str) -> None:
        """Forget what was put; nothing, when it is gone already."""
        with contextlib.suppress(
            Exception
        ):  # the file that names the entry goes next, and its tokens end by themselves
            self._module.delete_password(SERVICE, _entry(server, username))


def keyring() -> Keyring | None:
    """The keyring; None where the package is not installed, or finds no backend with a place to keep secrets."""
    if importlib.util.find_spec("keyring") is None:
        return None
    module = importlib.import_module("keyring")
    try:
        priority = float(module.get_keyring().priority)
    except Exception:  # noqa: BLE001 - a backend that cannot even say that is none
        return None
    return Keyring(module) if priority >= 1 else None


def _entry(server: str, username: str) -> str:
    return f"{username} at {server}"


def _unusable(why: str) -> CredentialsUnusable:
    return CredentialsUnusable("use the session", where="in the keyring", why=why, hint=_HINT)
