"""IPython's display module, as far as cells use it: loaded when a cell imports it.

IPython's other modules are the real ones where it is installed.
"""
import sys

load = globals()["load"]        # set by the loader in driver.py


def set_formats(context, *values, **kw):
    """The formats of figures: names, lists of them, or the text of either."""
    import ast
    words = []
    for value in values:
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError):
                value = value.replace(",", " ").split()
        words += [value] if isinstance(value, str) else list(value)
    context.formats = load("figures").formats_of(words)


def script_safe(text):
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


class Display:
    """Base of the display classes: data, or a file's content."""
    mime = "text/plain"
    binary = False

    def __init__(self, data=None, url=None, filename=None, **kw):
        if url is not None:
            raise OSError("%s(url=...): the sandbox has no network" % type(self).__name__)
        if filename is None and self.is_path(data):
            filename = data
        if filename is not None:
            with open(filename, "rb") as f:
                data = f.read()
            if not self.binary:
                data = data.decode("utf-8", "replace")
        self.data = data
        self.filename = filename

    @staticmethod
    def is_path(data):
        return False

    def __repr__(self):
        return "<IPython.core.display.%s object>" % type(self).__name__

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {} if self.data is None or self.mime == "text/plain" else {self.mime: self.data}


def text_class(name, mime):
    return type(name, (Display,), {"mime": mime, "__module__": "IPython.display"})


def page_class(name, address="%s"):
    return type(name, (Page,), {"address": address, "__module__": "IPython.display"})


def media_class(name, **more):
    return type(name, (Media,), dict(more, __module__="IPython.display"))


class Pretty(Display):
    def __repr__(self):
        return str(self.data)


class Math(Display):
    mime = "text/latex"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {self.mime: "$\\displaystyle %s$" % str(self.data).strip("$")}


class Image(Display):
    binary = True

    def __init__(self, data=None, url=None, filename=None, format=None, embed=None, width=None,
                 height=None, **kw):
        if data is None and url is not None and not embed:
            # A page that shows it loads it; nothing is loaded here.
            self.data, self.mime, self.filename = '<img src="%s"/>' % script_safe(url), "text/html", None
            return
        super().__init__(data, url, filename)
        head = (self.data or b"")[:12]
        self.mime = ("image/jpeg" if head[:2] == b"\xff\xd8" else
                     "image/gif" if head[:4] == b"GIF8" else
                     "image/webp" if head[8:12] == b"WEBP" else "image/png")

    @staticmethod
    def is_path(data):
        return isinstance(data, str) or hasattr(data, "__fspath__")


class SVG(Display):
    mime = "image/svg+xml"

    @staticmethod
    def is_path(data):
        return isinstance(data, str) and "<svg" not in data[:1000] and data.endswith(".svg")


class JSON(Display):
    mime = "application/json"


class Code(Display):
    def __init__(self, data=None, url=None, filename=None, language=None):
        super().__init__(data, url, filename)

    def __repr__(self):
        return str(self.data)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {}


class Page(Display):
    """IFrame and its kin: HTML that a page with a network shows."""
    address = "%s"

    def __init__(self, src, width="100%", height=400, **kw):
        self.data = '<iframe src="%s" width="%s" height="%s"></iframe>' % (
            script_safe(self.address % src), width, height)
        self.src = src
    mime = "text/html"


class Media(Display):
    """Audio and Video: embedded in HTML."""
    binary = True
    tag, kind, mime = "audio", "audio/wav", "text/html"

    def __init__(self, data=None, filename=None, url=None, embed=None, rate=None, autoplay=False,
                 mimetype=None, **kw):
        import binascii
        if rate is not None and not isinstance(data, (bytes, str)):
            data = wave_of(data, rate)
        super().__init__(data, url, filename)
        raw = self.data
        self.data = '<%s controls src="data:%s;base64,%s"></%s>' % (
            self.tag, mimetype or self.kind, binascii.b2a_base64(raw, newline=False).decode(),
            self.tag)

    @staticmethod
    def is_path(data):
        return isinstance(data, str) or hasattr(data, "__fspath__")


def wave_of(samples, rate):
    """16 bit mono, scaled to the loudest."""
    import array
    import io
    import wave
    values = [float(v) for v in samples]
    peak = max(map(abs, values), default=0) or 1
    out = io.BytesIO()
    with wave.open(out, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(int(rate))
        f.writeframes(array.array("h", [int(32767 * v / peak) for v in values]).tobytes())
    return out.getvalue()


class Handle:
    """What display(..., display_id=...) gives: update() puts another value in its place."""

    def __init__(self, display, ident):
        self._display = display
        self.display_id = ident

    def display(self, obj, **kw):
        self._display(obj, display_id=self.display_id, **kw)

    def update(self, obj, **kw):
        self._display(obj, display_id=self.display_id, update=True, **kw)

    def __repr__(self):
        return "<DisplayHandle display_id=%s>" % self.display_id


SHIMS = ("IPython", "IPython.core", "IPython.display", "IPython.core.display",
         "IPython.core.display_functions", "matplotlib_inline", "matplotlib_inline.backend_inline")
PACKAGES = ("IPython", "IPython.core", "matplotlib_inline")


def module_spec(context, name):
    """Module specs for IPython and its display module; IPython's other modules are the real ones
    when it is installed."""
    bootstrap = sys.modules["_frozen_importlib"]
    return bootstrap.ModuleSpec(name, ShimLoader(context), is_package=name in PACKAGES)


class ShimLoader:
    def __init__(self, context):
        self.context = context

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        if name in PACKAGES:
            finder = sys.modules["_frozen_importlib_external"].PathFinder
            parent = sys.modules.get(name.rpartition(".")[0])
            real = finder.find_spec(name, getattr(parent, "__path__", None))
            if real is not None:
                module.__path__ = list(real.submodule_search_locations or ())
            if name == "IPython":
                module.__version__ = "8.0.0"
                module.version_info = (8, 0, 0)
                module.get_ipython = lambda: None
            return
        if name == "matplotlib_inline.backend_inline":
            module.set_matplotlib_formats = lambda *a, **kw: set_formats(self.context, *a)
            module.set_matplotlib_close = lambda close=True: None
            return
        if self.context.display_names is None:  # a class is the same one by each of its modules
            self.context.display_names = self.display_names()
        module.__dict__.update(self.context.display_names)

    def display_names(self):
        context = self.context

        def display_as(mime):
            def one(*objs, raw=False, **kw):
                for obj in objs:
                    self.context.display({mime: obj} if raw else obj, raw=raw)
            return one

        names = {
            "display": context.display, "Image": Image, "SVG": SVG, "JSON": JSON, "Code": Code,
            "HTML": text_class("HTML", "text/html"),
            "Markdown": text_class("Markdown", "text/markdown"),
            "Latex": text_class("Latex", "text/latex"), "Math": Math,
            "Javascript": text_class("Javascript", "application/javascript"),
            "Pretty": Pretty,
            "DisplayObject": Display, "TextDisplayObject": Display, "DisplayHandle": Handle,
            "clear_output": context.clear_output,
            "update_display": lambda obj, display_id, **kw: context.display(
                obj, display_id=display_id, update=True, **kw),
            "set_matplotlib_formats": lambda *a, **kw: set_formats(context, *a),
            "set_matplotlib_close": lambda close=True: None,
            "IFrame": page_class("IFrame"),
            "YouTubeVideo": page_class("YouTubeVideo", "https://www.youtube.com/embed/%s"),
            "VimeoVideo": page_class("VimeoVideo", "https://player.vimeo.com/video/%s"),
            "Audio": media_class("Audio"),
            "Video": media_class("Video", tag="video", kind="video/mp4"),
            "GeoJSON": text_class("GeoJSON", "application/geo+json"),
            "display_html": display_as("text/html"), "display_png": display_as("image/png"),
            "display_markdown": display_as("text/markdown"),
            "display_svg": display_as("image/svg+xml"),
            "display_latex": display_as("text/latex"),
            "publish_display_data": lambda data=None, **kw: self.context.display(data, raw=True),
        }

        class FileLink(Display):
            def __init__(self, path, *a, **kw):
                Display.__init__(self)
                self.path = path

            def __repr__(self):
                return str(self.path)
        names["FileLink"] = names["FileLinks"] = FileLink
        return names
