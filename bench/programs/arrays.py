"""Expressions over three arrays of the given number of bytes, so many times: each operation draws an
array for what it comes to."""
import sys

import numpy

size, times = int(sys.argv[1]), int(sys.argv[2])
a, b, c = (numpy.arange(size // 8, dtype=numpy.float64) % n for n in (7, 11, 13))
total = 0.0
for _ in range(times):
    d = a * b + c
    total += float((d - a * 0.5)[-1])
print(total)
