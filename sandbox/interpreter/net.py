"""The way to the network, where the user permits hosts (the setting `network`); loaded only then.

There is no network in here: no interface, no resolver, and the kernel's filter refuses every socket but AF_UNIX. What there
is, is a proxy behind /run/sandbox/egress.sock. So an internet stream socket of Python's is in truth a unix socket, and
connecting it asks the proxy for the host by its name (HTTP CONNECT): urllib, http.client, requests, urllib3, asyncio and ssl work
unchanged. This is a convenience and no wall: who may be reached, the proxy decides.
"""
import errno
import socket

PATH = "/run/sandbox/egress.sock"
INTERNET = (-1, socket.AF_INET, socket.AF_INET6)
FLAGS = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
MAX_REPLY = 16384
PATIENCE = 60  # of a socket that would not block: the proxy answers within its own limits
_real = socket.socket
_real_getaddrinfo = socket.getaddrinfo


class EgressSocket(_real):
    _internet = False
    _peer = None

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        if fileno is None and family in INTERNET and (type == -1 or type & ~FLAGS == socket.SOCK_STREAM):
            self._internet = True
            family, type, proto = socket.AF_UNIX, socket.SOCK_STREAM if type == -1 else type, 0
        super().__init__(family, type, proto, fileno)

    def connect(self, address):
        if not self._internet:
            return super().connect(address)
        host, port = address[0], address[1]
        if isinstance(host, (bytes, bytearray)):
            host = host.decode("ascii", "replace")
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        target = "%s:%d" % ("[%s]" % host if ":" in host else host, port)
        if not host.isprintable() or " " in host:
            raise PermissionError(errno.EACCES, "no host has the name %r" % host)
        before = self.gettimeout()
        if before == 0:
            self.settimeout(PATIENCE)
        try:
            try:
                super().connect(PATH)
            except OSError as e:
                raise ConnectionError(e.errno, "the way to the network is gone (its proxy has ended, or serves no "
                                      "more connections): %s" % e.strerror) from None
            self.sendall(("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, target)).encode())
            self._read_reply(target)
        finally:
            if before == 0:
                self.settimeout(0)
        self._peer = (host, port)

    def _read_reply(self, target):
        reply = b""
        # Byte by byte: what follows the empty line belongs to who asked for the connection.
        while not reply.endswith(b"\r\n\r\n"):
            byte = self.recv(1)
            if not byte or len(reply) > MAX_REPLY:
                raise ConnectionError(errno.ECONNRESET, "the way to %s was closed by the network's proxy" % target)
            reply += byte
        status = reply.split(b" ", 2)[1]
        if status == b"200":
            return
        why = b""
        while len(why) < MAX_REPLY:
            part = self.recv(4096)
            if not part:
                break
            why += part
        why = why.decode("utf-8", "replace").strip()
        if status == b"502":
            raise ConnectionError(errno.EHOSTUNREACH, "%s cannot be reached: %s" % (target, why))
        raise PermissionError(errno.EACCES, "the sandbox does not permit %s: %s" % (target, why))

    def connect_ex(self, address):
        if not self._internet:
            return super().connect_ex(address)
        try:
            self.connect(address)
        except OSError as e:
            return e.errno or errno.EIO
        return 0

    def bind(self, address):
        if self._internet:
            raise PermissionError(errno.EPERM, "the sandbox has no network of its own to listen on")
        return super().bind(address)

    def getpeername(self):
        return self._peer or super().getpeername()

    def setsockopt(self, level, *rest):
        # TCP_NODELAY and its like are asked for by every HTTP client; the proxy's side of the connection has them.
        if self.family == socket.AF_UNIX and level in (socket.IPPROTO_TCP, socket.IPPROTO_IP, socket.IPPROTO_IPV6):
            return None
        return super().setsockopt(level, *rest)


def is_address(host):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
            return True
        except (OSError, ValueError):
            pass
    return False


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """A name stands for itself: the proxy resolves it."""
    if isinstance(host, (bytes, bytearray)):
        host = host.decode("ascii", "replace")
    if not host or is_address(host) or type not in (0, socket.SOCK_STREAM):
        return _real_getaddrinfo(host, port, family, type, proto, flags)
    if isinstance(port, str):
        port = int(port) if port.isdigit() else socket.getservbyname(port)
    family = family or socket.AF_INET
    return [(socket.AddressFamily(family), socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port or 0))]


def install():
    socket.socket = EgressSocket
    socket.getaddrinfo = getaddrinfo
