"""Forks: locks and methods that a forked child renews, and whether a process is alive.

Another thread may hold a lock at the moment of a fork. It does not exist in the child, where the
lock would stay held forever. Whatever a module guards with `ForkSafeLock` is usable there.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import MethodType

if TYPE_CHECKING:

    class _RLock:
        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...  # noqa: FBT001, FBT002
        def release(self) -> None: ...
        def __enter__(self) -> bool: ...
        def __exit__(self, *_: object) -> None: ...
        def _at_fork_reinit(self) -> None: ...
        def _is_owned(self) -> bool: ...
else:
    _RLock = type(threading.RLock())
"""A class without a public name; gevent's, where gevent patched ``threading`` before."""

generation: int = 0
"""How many forks lie between this process and the one that loaded this module."""
_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()
_methods: weakref.WeakKeyDictionary[object, list[Callable[[Any], Any]]] = (
    weakref.WeakKeyDictionary()
)
"""Functions to call in a forked child, by the object that is their first argument."""


class ForkSafeLock(_RLock):
    """A reentrant lock that is free in a forked child, except if the forking thread holds it.

    A context manager like ``threading.RLock``, at the same cost. It is reentrant because a
    garbage collection inside the locked region may run a finalizer of this package. No
    reference to a lock is kept, so that it is collected together with what it guards.
    """

    def __init__(self) -> None:
        super().__init__()
        _locks.add(self)


def in_forked_child(method: Callable[[], Any]) -> None:
    """Call a bound method in every forked child while its object exists.

    Methods run in the order of registration, after every `ForkSafeLock` is free. Where there is
    no fork (Windows), never.
    """
    bound = cast("MethodType", method)
    _methods.setdefault(bound.__self__, []).append(bound.__func__)


def _renew_in_child() -> None:
    global generation  # noqa: PLW0603 - one process, one number
    generation += 1
    for lock in list(_locks):
        if not lock._is_owned():  # noqa: SLF001 - as threading.Condition asks it
            lock._at_fork_reinit()  # noqa: SLF001 - as threading renews its own
    error = None
    for owner, functions in list(_methods.items()):
        for function in functions:
            try:
                function(owner)
            except Exception as exc:  # noqa: BLE001 - the others are called all the same
                error = error or exc
    if error is not None:
        raise error


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_in_child)


def is_alive(pid: int) -> bool:
    """Return whether a process exists; always ``True`` on Windows, where asking would end it."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
