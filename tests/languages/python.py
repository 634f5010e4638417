"""What scopes of Python keep, with and without the shim: the case that the argument names."""

import asyncio
import functools
import gc
import os
import re
import sys
import threading

import arenashim

try:
    import numpy
except ImportError:
    numpy = None

PRELOADED = "libarenashim" in os.environ.get("LD_PRELOAD", "")


def block(value, size=5000):
    """Memory that an extension module has drawn, filled with the value."""
    return numpy.full(size, value, "u1") if numpy else bytearray([value]) * size


def holds(memory, value):
    return set(bytes(memory)) == {value}


def overwrite():
    """Goes over what scopes have drawn before, where that was not kept."""
    with arenashim.scope("overwrite"):
        blocks = [block(0xEE, size) for size in range(100, 10000, 300)]
    assert holds(blocks[7], 0xEE)


def plain():
    assert not arenashim.is_active()
    with arenashim.scope("outer"):
        with arenashim.scope("inner"):
            assert arenashim.is_active() == PRELOADED
    assert not arenashim.is_active()
    try:
        with arenashim.scope("left by an exception"):
            raise KeyError("key")
    except KeyError as error:
        assert error.args == ("key",)
    assert not arenashim.is_active()
    with arenashim.scope("half a character: \ud83d"):
        pass
    try:
        arenashim.scope(7)
    except TypeError as error:
        assert str(error) == "scope: the label is a str, not int"
    else:
        assert False


def keeps():
    kept = []
    for value in range(200):
        with arenashim.scope("keeps"):
            kept.append(block(value))
            kept.append({f"key {value} {i}": [i] for i in range(20)})
            kept.append(f"{value} " * 200)
        overwrite()
    for value in range(200):
        memory, table, text = kept[3 * value : 3 * value + 3]
        assert holds(memory, value)
        assert table == {f"key {value} {i}": [i] for i in range(20)}
        assert text == f"{value} " * 200


def interpreter():
    """Caches, modules, types and the collector."""
    with arenashim.scope("interpreter"):
        import decimal, json, sqlite3

        pattern = re.compile("(a|b)+c{2,7}[^d-f]" * 20)
        made = type("Made", (), {f"member_{i}": i for i in range(200)})
        sys.intern("interned " * 100)
        cycle = []
        cycle.append(cycle)
    overwrite()
    del cycle
    gc.collect()
    assert pattern.match("abccg" * 20) and made.member_199 == 199
    assert json.loads(json.dumps({"a": [1.5, None]})) == {"a": [1.5, None]}
    assert str(decimal.Decimal(1) / 3).startswith("0.333")
    assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)


def decorated():
    @arenashim.scope("decorated")
    def draw(depth, *, value=1):
        """Draws."""
        assert arenashim.is_active() == PRELOADED
        return [block(value)] + (draw(depth - 1, value=value) if depth else [])

    assert (draw.__name__, draw.__doc__) == ("draw", "Draws.")
    blocks = draw(10, value=3)
    overwrite()
    assert len(blocks) == 11 and all(holds(one, 3) for one in blocks)
    assert not arenashim.is_active()

    def generator():
        yield

    async def coroutine():
        pass

    async def both():
        yield

    class Methods:
        @arenashim.scope("static")
        @staticmethod
        def static():
            return arenashim.is_active()

        @arenashim.scope("of the class")
        @classmethod
        def of_class(cls):
            return cls, arenashim.is_active()

        async def __call__(self):
            pass

    assert Methods.static() == Methods().static() == PRELOADED
    assert Methods.of_class() == Methods().of_class() == (Methods, PRELOADED)

    refused = [(generator, "a generator"), (coroutine, "a coroutine"), (both, "an async")]
    refused += [(functools.partial(function), kind) for function, kind in refused]
    for function, kind in refused:
        try:
            arenashim.scope("refused")(function)
        except TypeError as error:
            assert f"{getattr(function, '__qualname__', function)} is {kind}" in str(error)
        else:
            assert False
    for whatever in [Methods, 7, Methods(), staticmethod(coroutine)]:
        try:
            arenashim.scope("refused")(whatever)
        except TypeError as error:
            assert "is no function" in str(error) or "a coroutine" in str(error)
        else:
            assert False


def threads():
    results = {}

    def work(value):
        for _ in range(20):
            with arenashim.scope("thread"):
                results[value] = block(value)
            overwrite()

    started = [threading.Thread(target=work, args=[value]) for value in range(8)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert all(holds(results[value], value) for value in range(8))


def forks():
    with arenashim.scope("before"):
        kept = block(5)
        child = os.fork()
        more = block(6)
    overwrite()
    assert holds(kept, 5) and holds(more, 6)
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def crossed():
    """Generators and tasks that take turns inside of scopes: told, and nothing is lost."""

    def draws(value):
        with arenashim.scope(f"generator {value}"):
            memory = block(value)
            yield memory
            assert holds(memory, value)

    first, second = draws(1), draws(2)
    memories = next(first), next(second)
    assert list(first) == list(second) == []

    async def task(value):
        with arenashim.scope("task"):
            memory = block(value)
            await asyncio.sleep(0.001 * value)
            overwrite()
            return memory

    async def tasks():
        return await asyncio.gather(*(task(value) for value in range(5)))

    for value, memory in enumerate(asyncio.run(tasks())):
        assert holds(memory, value)
    assert holds(memories[0], 1) and holds(memories[1], 2)


CASES = [plain, keeps, interpreter, decorated, threads, forks, crossed]

for name in sys.argv[1:] or [case.__name__ for case in CASES]:
    globals()[name]()
