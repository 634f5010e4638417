"""Runs a command on a terminal of its own and copies what it writes there.

usage: terminal.py ROWS KEYS COMMAND...

Types a key every half second; "r" makes the terminal another size instead. Exits as the command does.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time


def main():
    rows, keys, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    child, terminal = pty.fork()
    if child == 0:
        time.sleep(0.1)
        os.execvp(command[0], command)
    set_size(terminal, rows, 100)
    due = time.monotonic() + 0.6
    while True:
        if select.select([terminal], [], [], max(0, due - time.monotonic()))[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # the command has closed its end
                break
            os.write(1, data)
        if keys and time.monotonic() >= due:
            if keys[0] == "r":
                set_size(terminal, 10, 20)
            else:
                os.write(terminal, keys[0].encode())
            keys = keys[1:]
            due += 0.5
        elif not keys:
            due = time.monotonic() + 10
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def set_size(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


main()
