"""Scopes for Python programs that may run under libarenashim.so.

    import arenashim

    with arenashim.scope("step"):
        ...

    @arenashim.scope("solve")
    def solve(matrix): ...

What the thread draws in the block comes from its arena: the temporaries of numpy and of other extension
modules, and what of the interpreter's own is larger than 512 bytes; with PYTHONMALLOC=malloc in the
environment every object. Nothing is dropped at the end of the block: what is alive, an array that is
kept or a cache of the interpreter's, stays valid until it is freed.

Without the shim in the process a scope does nothing.
"""

import ctypes
import functools
import inspect
import sys

__all__ = ["is_active", "scope"]


class _Site(ctypes.Structure):
    """arena_scope_site of arenashim/scope.h."""

    _fields_ = [
        ("label", ctypes.c_char_p),
        ("file", ctypes.c_char_p),
        ("line", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    ]


class _Token(ctypes.Structure):
    """arena_scope_token."""

    _fields_ = [("id", ctypes.c_uint64)]


_RETAINS = 1  # ARENA_SCOPE_RETAINS


def _find():
    """The shim's begin, end and active, each None without the shim."""
    # PyDLL keeps the interpreter's lock: the functions take less time than to give it up.
    process = ctypes.PyDLL(None)
    try:
        begin, end = process.arena_scope_begin, process.arena_scope_end
        active = process.arena_scope_active
    except AttributeError:
        return None, None, None
    begin.argtypes, begin.restype = [ctypes.POINTER(_Site)], _Token
    end.argtypes, end.restype = [_Token], None
    active.argtypes, active.restype = [], ctypes.c_int
    return begin, end, active


_begin, _end, _active = _find()


@functools.lru_cache(maxsize=None)
def _site(label, file, line):
    """Made once for each place, and never freed: the shim knows a site by where its texts lie."""
    texts = (text.encode("utf-8", "backslashreplace") for text in (label, file))
    return ctypes.pointer(_Site(*texts, line, _RETAINS))


class scope:
    """A scope from the begin of a `with` block, or of a call of the function, to its end.

    The label names the site in the shim's statistics, with the file and the line where the scope is
    made: give it a name, not a value that changes. Scopes nest, and belong to the thread, and so does
    this object in `with`. When scopes do not end in the reverse order of their begins (generators or
    tasks that take turns inside of them), or end in another thread, the shim says so and counts it as
    misuse; nothing becomes invalid.
    """

    def __init__(self, label):
        if not isinstance(label, str):
            raise TypeError(f"scope: the label is a str, not {type(label).__name__}")
        caller = sys._getframe(1)
        self._site = _begin and _site(label, caller.f_code.co_filename, caller.f_lineno or 0)
        self._tokens = []

    def __enter__(self):
        if _begin:
            self._tokens.append(_begin(self._site))
        return self

    def __exit__(self, *raised):
        if _begin:
            _end(self._tokens.pop())

    def __call__(self, function):
        """As a decorator, of whatever is called but a class."""
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))
        if isinstance(function, type) or not callable(function):
            raise TypeError(f"scope: {function!r} is no function: decorate those that it has")
        for is_suspended, kind in (
            (inspect.isgeneratorfunction, "a generator"),
            (inspect.iscoroutinefunction, "a coroutine"),
            (inspect.isasyncgenfunction, "an asynchronous generator"),
        ):
            if is_suspended(function) or is_suspended(type(function).__call__):
                raise TypeError(
                    f"scope: {getattr(function, '__qualname__', function)} is {kind}, whose body does not run in one go: "
                    "put with blocks between the points where it waits"
                )
        if not _begin:
            return function
        site = self._site

        @functools.wraps(function)
        def in_scope(*arguments, **keywords):
            token = _begin(site)
            try:
                return function(*arguments, **keywords)
            finally:
                _end(token)

        return in_scope


def is_active():
    """Whether the calling thread is in a scope that the shim serves."""
    return bool(_active and _active())
