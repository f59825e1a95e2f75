"""The intake profile, part 5: a table in a compressed file (gzip, bzip2, xz, zip). What it unpacks to is
profiled as a file of its own, from a copy whose size is bounded whatever the archive says."""
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"PK\3\4": "zip"}
ENDINGS = {"gzip": ".gz", "bz2": ".bz2", "xz": ".xz", "zip": ".zip"}   # by which pandas knows them
MAX_UNPACKED = 64 << 20


def packed_kind(head):
    kind = next((kind for mark, kind in PACKED.items() if head.startswith(mark)), None)
    return None if kind == "bz2" and head[4:10] != b"1AY&SY" else kind     # three letters are a text, too


def opened(path, kind):
    """(file of what is within, its name or "")"""
    import zipfile
    if kind != "zip":
        return __import__({"xz": "lzma"}.get(kind, kind)).open(path, "rb"), ""
    z = zipfile.ZipFile(path)
    inside = [i for i in z.infolist() if not i.is_dir()]
    if len(inside) != 1:
        raise Unreadable("it is an archive of %d files; unpack it and attach those that are wanted" % len(inside))
    if inside[0].flag_bits & 1:
        raise Unreadable("it is an archive with a password; unpack it and attach the file in it")
    return z.open(inside[0]), inside[0].filename.rpartition("/")[2]


def unpack(path, kind, deadline):
    """(path of the copy, name within, whether that is all of it)"""
    import tempfile
    import zipfile
    import zlib
    left, done = MAX_UNPACKED, False
    with tempfile.NamedTemporaryFile(prefix="profile-", delete=False) as out:
        try:
            source, name = opened(path, kind)
            with source:
                while left and time.monotonic() < deadline:
                    data = source.read(min(left, 1 << 20))
                    if not data:
                        done = True
                        break
                    out.write(data)
                    left -= len(data)
        except (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error,
                __import__("lzma").LZMAError) as e:
            os.unlink(out.name)
            raise Unreadable("it is no whole %s file: %s" % (kind, str(e)[:100] or type(e).__name__))
        except BaseException:
            os.unlink(out.name)
            raise
    return out.name, name, done
