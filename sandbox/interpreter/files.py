"""Files of the workspace, written and removed for the agent by base, which has the rights of the code
and no more. What the code made of the folder is hostile: every part of a name is looked up beneath
the one before, and no link is followed."""
import posix

WORKSPACE = globals()["driver"].ROOT + b"/workspace"
FOLDER = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
NEW = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
TEMPORARY = b".agent-put"


def parent(name, make):
    """(descriptor of the folder, last part)"""
    parts = name.split(b"/")
    if b"" in parts or b"." in parts or b".." in parts:
        raise OSError(22, "not a name below the workspace")
    at = posix.open(WORKSPACE, FOLDER)
    try:
        for part in parts[:-1]:
            if make:
                try:
                    posix.mkdir(part, 0o755, dir_fd=at)
                except FileExistsError:
                    pass
            below = posix.open(part, FOLDER, dir_fd=at)
            posix.close(at)
            at = below
    except BaseException:
        posix.close(at)
        raise
    return at, parts[-1]


def write(name, source):
    """The bytes of the descriptor `source`, under a temporary name first: whole or not at all."""
    at, last = parent(name, True)
    try:
        try:
            posix.unlink(TEMPORARY, dir_fd=at)
        except FileNotFoundError:
            pass
        out = posix.open(TEMPORARY, NEW, 0o644, dir_fd=at)
        try:
            while True:
                data = posix.read(source, 1 << 20)
                if not data:
                    break
                while data:
                    data = data[posix.write(out, data):]
        except OSError:
            posix.unlink(TEMPORARY, dir_fd=at)
            raise
        finally:
            posix.close(out)
        posix.rename(TEMPORARY, last, src_dir_fd=at, dst_dir_fd=at)
    finally:
        posix.close(at)


def remove(name):
    at, last = parent(name, False)
    try:
        posix.unlink(last, dir_fd=at)
    finally:
        posix.close(at)
