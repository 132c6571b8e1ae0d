"""Becomes another program, as another user if asked, that ends when the process which started it ends.

Run as a script by `python -I -S guard.py SIGNAL UID GID PARENT FOLDER PROGRAM ARGUMENT…` (UID -1: stay who
you are). A script of its own rather than a function between fork and exec: that one is unsafe once a
program has threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Enter FOLDER, give up root's rights, bind this process's life to PARENT's, and become PROGRAM."""
    death_signal, uid, gid, parent = (int(argument) for argument in arguments[:4])
    folder, program = arguments[4], arguments[5]
    # While we are still root: the user we become may be unable to walk down to the folder, and
    # finds it as its working directory all the same.
    os.chdir(folder)
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it; exec of an ordinary program keeps it.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        # The parent ended before the kernel was told; nobody would ever end us.
        sys.exit(1)
    # Ctrl-C on the terminal goes to the whole group; the launcher alone decides in which order to stop.
    os.setpgid(0, 0)
    os.umask(0o077)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores these two, and what is ignored stays ignored through exec.
        signal.signal(number, signal.SIG_DFL)
    os.execv(program, arguments[5:])  # noqa: S606 - The command is the launcher's own.


if __name__ == "__main__":
    main(sys.argv[1:])
