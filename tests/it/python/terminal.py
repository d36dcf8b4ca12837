"""Runs a command in a pseudo-terminal of a size, and does what it's told with it.

    terminal.py COLUMNS ROWS STEP... -- COMMAND...

A step is `see:TEXT` (waits until the screen's output has it), `key:TEXT` (types it), `size:COLUMNSxROWS`,
`signal:NAME`. In the end the command must exit by itself. Prints what it wrote, then its exit code.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

BOUND = 120


def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    split = sys.argv.index("--")
    columns, rows = int(sys.argv[1]), int(sys.argv[2])
    steps, command = sys.argv[3:split], sys.argv[split + 1:]
    child, fd = pty.fork()
    if child == 0:
        time.sleep(0.05)
        os.execvp(command[0], command)
    resize(fd, columns, rows)
    written = bytearray()
    seen = 0

    def read():
        ready, _, _ = select.select([fd], [], [], 0.05)
        if not ready:
            return True
        try:
            some = os.read(fd, 65536)
        except OSError:
            return False
        written.extend(some)
        return bool(some)

    for step in steps:
        what, _, value = step.partition(":")
        end = time.monotonic() + BOUND
        if what == "see":
            while (found := written.find(value.encode(), seen)) < 0:
                if not read() or time.monotonic() > end:
                    sys.stdout.buffer.write(written)
                    sys.exit(f"\n{step} was waited for in vain")
            # What comes after it may have been read already.
            seen = found + len(value.encode())
        elif what == "key":
            os.write(fd, value.encode())
        elif what == "size":
            resize(fd, *(int(number) for number in value.split("x")))
        elif what == "signal":
            os.kill(child, getattr(signal, value))
        else:
            sys.exit(f"{step} isn't a step")
    end = time.monotonic() + BOUND
    while read():
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            sys.exit("it didn't end")
    _, status = os.waitpid(child, 0)
    sys.stdout.buffer.write(written)
    sys.stdout.flush()
    print(f"\nexit code {os.waitstatus_to_exitcode(status)}")


main()
