"""Run a command that can't outlive the test that wants it.

    python guard.py COMMAND ARG...

The command runs until it ends, or until our standard input closes: the test holds the other end of that
pipe, so it closes however the test dies, kill -9 included. Then the command and all that it started are
killed. On Linux we are also the parent of whatever the command leaves behind (PR_SET_CHILD_SUBREAPER), and
the command dies with us (PR_SET_PDEATHSIG).
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform == "linux"
PRCTL = ctypes.CDLL(None).prctl if LINUX else None


def die_with_parent():
    PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)


def children():
    """Our children's process ids, orphans of the command among them."""
    found = []
    for name in os.listdir("/proc") if LINUX else ():
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{name}/stat") as stat:
                    # The name in brackets may hold spaces: count from the last bracket.
                    if int(stat.read().rpartition(")")[2].split()[1]) == os.getpid():
                        found.append(int(name))
    return found


def sweep(command):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(command.pid, signal.SIGKILL)
    command.wait()
    # Killing one may hand its children to us, so look again until there is nobody.
    while left := children():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def main():
    if LINUX:
        PRCTL(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent if LINUX else None,
    )
    while command.poll() is None:
        readable, _, _ = select.select([0], [], [], 0.1)
        if readable and not os.read(0, 4096):
            break
    code = command.poll()
    sweep(command)
    sys.exit(0 if code is None else abs(code))


if __name__ == "__main__":
    main()
