"""A process that ends when its parent does: no worker keeps the port after its server was killed."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(signal_number: int = signal.SIGTERM) -> bool:
    """Ask the kernel to send this process a signal when its parent dies; false where the kernel cannot (Linux can).

    It survives exec. The parent is the thread that started this process: it must live as long as the process should.
    """
    if not sys.platform.startswith("linux"):
        return False
    parent = os.getppid()
    done = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) == 0
    if done and os.getppid() != parent:  # it died just before
        os.kill(os.getpid(), signal_number)
    return done


if __name__ == "__main__":  # python orphans.py COMMAND ...: become COMMAND, which then ends with its parent
    end_with_parent()
    os.execvp(sys.argv[1], sys.argv[1:])
