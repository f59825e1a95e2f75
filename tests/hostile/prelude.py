# Put before the code of each hostile case, inside and in the control outside.
import ctypes, errno, os, platform, sys
L = ctypes.CDLL(None, use_errno=True)
L.syscall.restype = ctypes.c_long
DENIED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT}


def sc(nr, *args):
    """A raw system call: its value, or OSError."""
    ctypes.set_errno(0)
    r = L.syscall(ctypes.c_long(nr), *[a if isinstance(a, (bytes, ctypes.Array, ctypes.Structure))
                                       or a is None else ctypes.c_long(a) for a in args])
    if r < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return r


def held(*what):
    print("HELD", *what, flush=True)


def broken(*what):
    print("BROKEN", *what, flush=True)


def refused(f, *args, also=()):
    """The attack must end in an error of the refusing kind, or one of `also` (errno numbers)."""
    try:
        r = f(*args)
    except OSError as e:
        if e.errno in DENIED or e.errno in also:
            return held(errno.errorcode.get(e.errno), str(e))
        return broken("another error:", errno.errorcode.get(e.errno), str(e))
    broken("it worked:", repr(r)[:200])


def unreadable(*paths):
    """None of these may give a byte. An empty file tells nothing."""
    for path in paths:
        try:
            if os.path.isdir(path):
                data = os.listdir(path)
            else:
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                data = os.read(fd, 200)
                os.close(fd)
        except OSError:
            continue
        if data:
            return broken(path, "holds", repr(data)[:200])
    held("nothing to read")


def unwritable(*paths):
    for path in paths:
        try:
            os.close(os.open(path, os.O_WRONLY))
        except OSError:
            continue
        return broken(path, "can be opened for writing")
    held("nothing can be written")


