"""The image of a warm template: its memory, written once and mapped by the sandboxes of many questions
(checkpoint.c, restore.c). Neither side runs a model's code: the image is made in a sandbox in which
no cell ever ran, and it is sealed before anyone else has it.
"""
import posix
import _ctypes

load, driver = globals()["load"], globals()["driver"]   # set by the loader in driver.py


def libc_places():
    """Where libc keeps what a process cannot have from the one before it; raises OSError where this libc
    is not as checkpoint.c knows it."""
    libc = _ctypes.dlopen("libc.so.6", 2)
    places = [_ctypes.dlsym(libc, "__curbrk")]
    try:
        places.append(_ctypes.dlsym(libc, "__rseq_offset"))
    except OSError:
        places.append(0)
    return b"".join([p.to_bytes(8, "little") for p in places])


def save(template, fd):
    """In the warm template. Says to base what went wrong, or nothing."""
    error = b""
    r, w = posix.pipe2(posix.O_CLOEXEC)
    if posix.fork() == 0:
        number = 0
        try:
            number = driver.native_value("checkpoint_save", fd, libc_places())
            if number < 0:
                posix.write(w, posix.strerror(-number).encode())
        except BaseException as e:
            posix.write(w, str(e).encode("utf-8", "replace")[:200])
        if number <= 0:
            posix._exit(0)
        become(template, number)    # in another sandbox by now
    posix.close(w)
    while True:
        part = posix.read(r, 4096)
        if not part:
            break
        error += part
    posix.close(r)
    posix.close(fd)
    template.link.send(("op", "image-made"), ("error", error))


def become(old, fd):
    """The warm template of the sandbox that it was restored in, with its end of a channel to base."""
    driver.native("template_enter")
    for link in driver.Link.all:
        link.sock.detach()      # numbers of the other process's descriptors
    driver.Link.all.clear()
    template = driver.Template(driver.Link(fd), old.preload, True)
    template.loaded = old.loaded
    load("fonts").place_once()
    template.tell_warm()
    posix.closerange(3, fd)     # base takes the end of its pipe for the end of the start
    posix.closerange(fd + 1, driver.FD_END)
    template.serve()


def restore(image, channel):
    """In base: starts the process. Returns a descriptor that hangs up when it is warm, or never will be."""
    r, w = posix.pipe2(posix.O_CLOEXEC)
    if posix.fork() == 0:
        try:
            for fd in (image, channel, w):
                posix.set_inheritable(fd, True)
            program = driver.HERE + "/restore"
            posix.execve(program, [program, str(image), str(channel)], posix.environ)
        finally:
            posix._exit(127)
    posix.close(w)
    return r
