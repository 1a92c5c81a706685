"""Support for forks: locks and methods that a forked child renews, and process liveness.

Another thread may hold a lock during a fork. That thread does not exist in the child, where the
lock would stay held forever. A `ForkSafeLock` is released in the child.
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
"""The class of locks, which has no public name; gevent's if it has patched ``threading``."""

generation: int = 0
"""Number of forks between the process that loaded this module and this one."""
_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()
_methods: weakref.WeakKeyDictionary[object, list[Callable[[Any], Any]]] = (
    weakref.WeakKeyDictionary()
)
"""Functions to call in a forked child, by the object to pass as their first argument."""


class ForkSafeLock(_RLock):
    """A reentrant lock that is released in a forked child unless the forking thread holds it.

    Works like ``threading.RLock``, at the same cost. It is reentrant because a garbage
    collection inside the locked region may run a finalizer of this package. Only weak
    references to locks are kept, so a lock is collected together with what it guards.
    """

    def __init__(self) -> None:
        super().__init__()
        _locks.add(self)


def in_forked_child(method: Callable[[], Any]) -> None:
    """Call a bound method in every forked child while its object exists.

    Methods run in the order of registration, after every `ForkSafeLock` is released. They never
    run on Windows, which has no fork.
    """
    bound = cast("MethodType", method)
    _methods.setdefault(bound.__self__, []).append(bound.__func__)


def _renew_in_child() -> None:
    global generation  # noqa: PLW0603 - one counter per process
    generation += 1
    for lock in list(_locks):
        if not lock._is_owned():  # noqa: SLF001 - as threading.Condition does
            lock._at_fork_reinit()  # noqa: SLF001 - as threading does with its own locks
    error = None
    for owner, functions in list(_methods.items()):
        for function in functions:
            try:
                function(owner)
            except Exception as exc:  # noqa: BLE001 - the remaining functions are still called
                error = error or exc
    if error is not None:
        raise error


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_in_child)


def is_alive(pid: int) -> bool:
    """Return whether a process exists. Always ``True`` on Windows, where ``os.kill`` ends it."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
