"""CPU time of numpy expressions, each round in a scope. Arguments: the length of the arrays, and rounds."""

import sys
import time

import numpy

import arenashim

length, rounds = (int(argument) for argument in sys.argv[1:])
a = numpy.arange(length, dtype=float)
b, c = a * 2, a + 1
started = time.process_time()
for _ in range(rounds):
    with arenashim.scope("round"):
        total = numpy.sqrt(a * b + c)[-1] + (a - b * c + 2).sum()
print(f"{time.process_time() - started:.2f} s, {total}")
