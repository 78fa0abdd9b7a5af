"""on_terminal.py COLUMNS PROGRAM ARGUMENT...: runs a program on a terminal of that width, its standard error discarded.

Prints what the terminal received and ends with the program's exit code. The caller sets the time limit: when it ends
this process, the terminal goes away and the program with it.
"""
import fcntl
import os
import pty
import struct
import sys
import termios

columns, argv = int(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
    os.execvp(argv[0], argv)
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:  # EIO: the program has closed it
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
