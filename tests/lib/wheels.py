"""Small wheels, honest and hostile, made with the standard library alone."""
import base64
import hashlib
import zipfile
from pathlib import Path


def digest(data):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def wheel(folder, name, version, files, tag="py3-none-any", requires=(), lie=(), links=()):
    """Writes NAME-VERSION-TAG.whl and gives its path. `files` maps names to text or bytes; the hash in RECORD is wrong for
    those in `lie`; those in `links` are marked as symbolic links in the archive."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    files = dict(files)
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {r}\n" for r in requires)
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    record = ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for file, data in files.items():
            data = data.encode() if isinstance(data, str) else data
            entry = zipfile.ZipInfo(file, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o120777 if file in links else 0o100644) << 16
            z.writestr(entry, data)
            record += f"{file},{digest(data + b'!' if file in lie else data)},{len(data)}\n"
        z.writestr(zipfile.ZipInfo(f"{info}/RECORD", (2020, 1, 1, 0, 0, 0)), record + f"{info}/RECORD,,\n")
    path.chmod(0o644)
    return path
