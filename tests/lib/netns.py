"""A test in a network namespace of its own, with a server in another one. To be called before harness is imported, so that
the server is none of the processes that a run could leave behind."""
import os
import shutil
import subprocess
import sys


def enter(server_code, test):
    """As root, with the programs that it takes: the file `test` is run again inside, with IN_NETNS = the server's pid and
    the descriptors of its standard input and output. Else it goes on here, without IN_NETNS."""
    if os.getuid() != 0 or "IN_NETNS" in os.environ or not all(map(shutil.which, ("unshare", "ip", "nsenter", "openssl"))):
        return
    server = subprocess.Popen(["unshare", "-n", sys.executable, "-c", server_code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    fds = (server.stdin.fileno(), server.stdout.fileno())
    os.environ["IN_NETNS"] = f"{server.pid} {fds[0]} {fds[1]}"
    status = subprocess.run(["unshare", "-n", "-m", "--propagation", "private", sys.executable, test], pass_fds=fds).returncode
    server.kill()
    sys.exit(status)
