"""Images through pix2pix, CycleGAN and pix2pixHD generators, on any GPU.

One file: it takes numpy arrays to the shared library that `cargo build --release` makes in
bindings/c (libpixtape.so, libpixtape.dylib, pixtape.dll).

    import pixtape
    with pixtape.Generator("checkpoints/facades") as generator:
        photo = generator(drawing)      # uint8, height x width x 3 or 4

The library is looked for where the environment variable PIXTAPE_LIBRARY says, then beside this
file, then where the system looks. Calls release Python's global lock; generators may be used from
several threads.
"""

import ctypes
import ctypes.util
import os
import sys

import numpy

__all__ = ["Device", "Error", "Generator", "adapters", "version"]

_ABI = 1
_NORMS = {"batch": 0, "running": 1, "instance": 2}
_KINDS = {1: "argument", 2: "file", 3: "adapter", 4: "memory", 5: "device_lost", 6: "internal"}


class Error(RuntimeError):
    """What the library says, in one line: what, where, what to try.

    `kind` is "argument", "file", "adapter", "memory", "device_lost" or "internal".
    """

    def __init__(self, message, kind):
        super().__init__(message)
        self.kind = kind


def _library():
    names = {"darwin": "libpixtape.dylib", "win32": "pixtape.dll"}
    name = names.get(sys.platform, "libpixtape.so")
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    path = os.environ.get("PIXTAPE_LIBRARY")
    if not path:
        path = beside if os.path.exists(beside) else ctypes.util.find_library("pixtape")
    if not path:
        raise ImportError(
            f"{name} is not found; build it (cargo build --release in bindings/c), and put it "
            "beside pixtape.py or name it in PIXTAPE_LIBRARY"
        )
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"{path} cannot be loaded: {error}") from error
    pointer, text, number, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_size_t
    out, status = ctypes.POINTER(pointer), ctypes.c_int32
    image = [pointer, size, size]
    for name, result, arguments in [
        ("version", text, []),
        ("abi_version", number, []),
        ("last_error", text, []),
        ("adapters_list", status, [out]),
        ("adapters_count", size, [pointer]),
        ("adapters_name", text, [pointer, size]),
        ("adapters_free", None, [pointer]),
        ("device_open", status, [text, out]),
        ("device_name", text, [pointer]),
        ("device_free", None, [pointer]),
        ("generator_from_file", status, [pointer, text, text, out]),
        ("generator_from_bytes", status, [pointer, text, size, text, out]),
        ("generator_description", text, [pointer]),
        ("generator_input_channels", number, [pointer]),
        ("generator_output_channels", number, [pointer]),
        ("generator_multiple", number, [pointer]),
        ("generator_set_norm", status, [pointer, ctypes.c_int32]),
        ("generator_set_memory_limit", status, [pointer, ctypes.c_uint64]),
        ("generator_prepare", status, [pointer, number, number]),
        ("generator_translate", status, [pointer, number, number] + image + image),
        ("generator_free", None, [pointer]),
    ]:
        function = getattr(library, "pixtape_" + name, None)
        if function is None:
            raise ImportError(f"{path} has no pixtape_{name}: it is another library, or an older one")
        function.restype, function.argtypes = result, arguments
    if library.pixtape_abi_version() != _ABI:
        found = library.pixtape_abi_version()
        raise ImportError(f"{path} has interface {found}, pixtape.py is for {_ABI}; take both anew")
    return library


_lib = _library()


def _check(status):
    if status != 0:
        message = _lib.pixtape_last_error().decode()
        raise Error(message, _KINDS.get(status, "internal"))


def _text(value, what):
    if value is None:
        return None
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        value = value.encode()
    if b"\0" in value:
        raise ValueError(f"{what} has a zero in it")
    return value


def version():
    """The library's version."""
    return _lib.pixtape_version().decode()


def adapters():
    """Names of this machine's adapters, best first."""
    handle = ctypes.c_void_p()
    _check(_lib.pixtape_adapters_list(ctypes.byref(handle)))
    try:
        count = _lib.pixtape_adapters_count(handle)
        return [_lib.pixtape_adapters_name(handle, i).decode() for i in range(count)]
    finally:
        _lib.pixtape_adapters_free(handle)


class _Handle:
    """A handle of the library, freed once: by close(), at the end of `with`, or with the object."""

    _handle = None
    _free = None

    @property
    def _open(self):
        if not self._handle:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._handle

    def close(self):
        """Frees it. It must not be in use in another thread."""
        handle, self._handle = self._handle, None
        if handle:
            type(self)._free(handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()


class Device(_Handle):
    """An adapter, opened. `adapter`: its index in adapters(), or part of its name; None takes the
    best."""

    _free = _lib.pixtape_device_free

    def __init__(self, adapter=None):
        handle = ctypes.c_void_p()
        name = None if adapter is None else _text(str(adapter), "adapter")
        _check(_lib.pixtape_device_open(name, ctypes.byref(handle)))
        self._handle = handle

    @property
    def name(self):
        """Interface and name of its adapter."""
        return _lib.pixtape_device_name(self._open).decode()

    def __repr__(self):
        return f"Device({self.name!r})" if self._handle else "Device(closed)"


class Generator(_Handle):
    """A generator on a device: call it with an image.

    `weights`: the path of a file or of a run's folder, or the bytes of a file. `device`: a Device;
    None opens the best adapter for this generator. `key`: of several networks in a .pth, the one at
    this key. `norm`: statistics of the norms, "batch" (of each image), "running" or "instance".
    `memory_limit`: bytes of device memory for an image, None for no limit.
    """

    _free = _lib.pixtape_generator_free

    def __init__(self, weights, device=None, key=None, norm="batch", memory_limit=None):
        if norm not in _NORMS:
            raise ValueError(f"norm {norm!r}: choose one of {', '.join(_NORMS)}")
        if memory_limit is not None and memory_limit < 1:
            raise ValueError(f"memory_limit {memory_limit}: give bytes, or None for no limit")
        own = Device() if device is None else device
        handle, key = ctypes.c_void_p(), _text(key, "key")
        if isinstance(weights, (bytes, bytearray, memoryview)):
            data = bytes(weights)
            call = _lib.pixtape_generator_from_bytes
            _check(call(own._open, data, len(data), key, ctypes.byref(handle)))
        else:
            path = _text(weights, "weights")
            _check(_lib.pixtape_generator_from_file(own._open, path, key, ctypes.byref(handle)))
        self._handle = handle
        if device is None:
            # The library keeps it open for the generator.
            own.close()
        _check(_lib.pixtape_generator_set_norm(handle, _NORMS[norm]))
        _check(_lib.pixtape_generator_set_memory_limit(handle, memory_limit or 0))

    @property
    def description(self):
        """Which net it is."""
        return _lib.pixtape_generator_description(self._open).decode()

    @property
    def input_channels(self):
        """Channels that the net reads: 1, 3 or 4."""
        return _lib.pixtape_generator_input_channels(self._open)

    @property
    def output_channels(self):
        """Channels that the net makes: 1, 3 or 4."""
        return _lib.pixtape_generator_output_channels(self._open)

    @property
    def multiple(self):
        """Images whose sides are multiples of this need no padding."""
        return _lib.pixtape_generator_multiple(self._open)

    def prepare(self, width, height):
        """Compiles and allocates for images of one size, so that the first is as fast as the next."""
        for name, side in [("width", width), ("height", height)]:
            if not 0 <= side < 2**32:
                raise ValueError(f"{name} {side}: expected a number of pixels")
        _check(_lib.pixtape_generator_prepare(self._open, width, height))

    def __call__(self, image):
        """Translates an image, a uint8 array of height x width x 3 (RGB) or 4 (RGBA), and returns a
        new one of the same shape. Alpha is copied, unless the net makes 4 channels."""
        image = numpy.asarray(image)
        if image.dtype != numpy.uint8:
            raise TypeError(f"an image of {image.dtype}; expected uint8, 0 to 255")
        if image.ndim != 3 or image.shape[2] not in (3, 4):
            shape = " x ".join(map(str, image.shape))
            raise ValueError(f"an image of shape {shape}; expected height x width x 3 or 4")
        height, width, channels = image.shape
        made = numpy.empty((height, width, 4), numpy.uint8)
        made[..., :channels] = image
        if channels == 3:
            made[..., 3] = 255
        place = [made.ctypes.data, made.nbytes, 0]
        _check(_lib.pixtape_generator_translate(self._open, width, height, *place, *place))
        return made if channels == 4 else numpy.ascontiguousarray(made[..., :3])

    def __repr__(self):
        return f"Generator({self.description!r})" if self._handle else "Generator(closed)"
