"""A bit of everything that CPython's own tests go through, with the same output each time."""

import asyncio
import bz2
import collections
import concurrent.futures
import copy
import csv
import ctypes
import decimal
import functools
import gc
import hashlib
import heapq
import io
import itertools
import json
import lzma
import math
import multiprocessing
import os
import pickle
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import traceback
import weakref
import xml.etree.ElementTree
import zlib

random.seed(3)
words = ["".join(random.choices("abcdefgh", k=random.randint(2, 9))) for _ in range(10000)]
text = " ".join(words)


def digest(value):
    return hashlib.md5(repr(value).encode()).hexdigest()


# Containers, sorting, regular expressions, text.
print(collections.Counter(word[0] for word in words).most_common())
print(digest(sorted(words, key=lambda word: (len(word), word))))
print(len(re.findall(r"(a[b-d]+)(?=e)", text)), digest(re.sub(r"(\w)(\w)", lambda m: m[2] + m[1], text)))
heap = []
for word in words[:500]:
    heapq.heappush(heap, word)
print([heapq.heappop(heap) for _ in range(5)])
print(digest(list(itertools.permutations("abcdef"))), functools.reduce(lambda a, b: a ^ b, range(1000)))

# Formats.
data = {"a": [1, 2.5, None, True, {"x": "\u65e5\u672c"}] * 200, "words": words}
print(json.loads(json.dumps(data)) == data, copy.deepcopy(data) == data)
print(len(pickle.dumps(data)), pickle.loads(pickle.dumps(data)) == data)
rows = io.StringIO()
csv.writer(rows).writerows([i, word, 'a "quoted" field'] for i, word in enumerate(words))
print(digest(list(csv.reader(io.StringIO(rows.getvalue())))))
root = xml.etree.ElementTree.fromstring("<a>%s</a>" % "".join(f"<b>{word}</b>" for word in words))
print(len(root.findall("b")), len(xml.etree.ElementTree.tostring(root)))
for module in zlib, bz2, lzma:
    packed = module.compress(text.encode())
    print(module.__name__, len(packed), module.decompress(packed) == text.encode())

# A library with callbacks.
base = sqlite3.connect(":memory:")
base.execute("create table t (a, b)")
base.executemany("insert into t values (?, ?)", enumerate(words))
base.create_function("reversed", 1, lambda value: value[::-1])
print(base.execute("select count(*), max(reversed(b)) from t where b like 'a%'").fetchall())
try:
    base.execute("select x from nothing")
except sqlite3.OperationalError as error:
    print(error)
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 10)(9, 3, 7, 1, 5, 8, 2, 6, 4, 0)
ctypes.CDLL(None).qsort(numbers, 10, 4, compare(lambda a, b: a[0] - b[0]))
print(list(numbers))

# Numbers.
print(math.factorial(500) % 10**50, pow(3, 10**5, 10**9 + 7), 10**200 // 7**80)
print(decimal.Context(prec=60).sqrt(decimal.Decimal(2)))


# Generators, closures, classes, cycles, exceptions.
def fibonacci():
    a, b = 0, 1
    while True:
        a = (yield a) or a
        a, b = b, a + b


numbers = fibonacci()
print([next(numbers) for _ in range(20)], numbers.send(10), digest([next(numbers) for _ in range(500)]))


class Node:
    def __init__(self):
        self.itself = self


nodes = [Node() for _ in range(1000)]
references = [weakref.ref(node) for node in nodes]
del nodes
gc.collect()
print(sum(reference() is None for reference in references))


def deeper(depth):
    return deeper(depth + 1)


try:
    deeper(0)
except RecursionError as error:
    print(type(error))
try:
    try:
        1 / 0
    except ZeroDivisionError as error:
        raise ValueError("from another") from error
except ValueError:
    print(re.sub(r'File ".*"', "File", traceback.format_exc()))
exec("\n".join(f"def f{i}(x):\n    return x + {i}" for i in range(300)))
print(f299(1))  # noqa: F821

# Threads, coroutines, processes, signals.
results = []
lock = threading.Lock()


def work(number):
    texts = [str(i) * number for i in range(2000)]
    with lock:
        results.append((number, sum(map(len, texts))))


threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(results))
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(lambda x: len(str(2**x)), range(500))))


async def square(number):
    await asyncio.sleep(0)
    return number * number


async def squares():
    return sum(await asyncio.gather(*map(square, range(200))))


print(asyncio.run(squares()))
print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True))
child = os.fork()
if child == 0:
    os._exit(len([str(i) for i in range(10000)]) % 251)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(sum(pool.map(len, words)))
one, other = socket.socketpair()
one.sendall(b"x" * 1000)
print(len(other.recv(2000)))


class Alarm(Exception):
    pass


def on_alarm(number, frame):
    raise Alarm("rang")


signal.signal(signal.SIGALRM, on_alarm)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    while True:
        [str(i) for i in range(100)]
except Alarm as alarm:
    print(alarm)
sys.stderr.write("to stderr\n")
sys.exit(9)
