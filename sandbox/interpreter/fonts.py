"""matplotlib's list of fonts, made once for a machine: to look at every font takes half a second or
more, and each sandbox starts with an empty /tmp.
"""
import os

KEPT = globals()["driver"].HERE + "/fonts"      # where the agent places a list of an earlier session
MAX_BYTES = 4 << 20


def place():
    """Copies the list to where matplotlib looks. It must be able to write there: it makes its own list
    when this one is not to its liking. Contexts may be running, and /tmp is theirs too: what
    they put there in advance stands, and no link of theirs is followed."""
    to = os.environ["MPLCONFIGDIR"]
    try:
        os.mkdir(to, 0o755)
        at = os.open(to, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        for name in os.listdir(KEPT):
            with open(KEPT + "/" + name, "rb") as f:
                data = f.read(MAX_BYTES)
            out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=at)
            while data:
                data = data[os.write(out, data):]
            os.close(out)
        os.close(at)
    except OSError:
        pass  # a full /tmp, or something in the way: matplotlib then makes its list, also of half a file


def place_once():
    """Where there is a list, and nobody placed it yet."""
    if os.path.exists(KEPT) and not os.path.exists(os.environ["MPLCONFIGDIR"]):
        place()


def make(w):
    """Makes the list and writes the file's name, a newline and its bytes into w; nothing when there is
    no matplotlib. Runs in a throw-away fork of base before there is any context, in a folder and
    with a home that no code of the model's can write to."""
    place = "/output/.fonts"
    os.environ["MPLCONFIGDIR"] = place
    os.environ["HOME"] = "/nonexistent"
    os.mkdir(place, 0o700)
    try:
        import matplotlib.font_manager  # noqa: F401, makes the list as it is imported
        for name in os.listdir(place):
            if name.startswith("fontlist-") and os.path.getsize(place + "/" + name) <= MAX_BYTES:
                with open(place + "/" + name, "rb") as f:
                    data = name.encode() + b"\n" + f.read()
                while data:
                    data = data[os.write(w, data):]
                break
    finally:
        for name in os.listdir(place):
            os.unlink(place + "/" + name)
        os.rmdir(place)
