"""A disk that takes nothing any more, for one process: its kernel fails every fsync."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

__all__ = ["fail_every_fsync"]

# fsync and fdatasync, as the kernel numbers them; Linux only.
_CALLS = {"x86_64": (74, 75), "aarch64": (82, 83)}
_SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
# Instructions and verdicts of the kernel's filter language.
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def fail_every_fsync() -> None:
    """Let every fsync of this thread, and of those it starts, fail from now on: for good.

    Raises:
        OSError: the kernel takes no filters.
    """
    first, second = _CALLS[os.uname().machine]
    instructions = (
        (_LOAD, 0, 0, 0),  # the call's number
        (_JUMP_IF_EQUAL, 1, 0, first),
        (_JUMP_IF_EQUAL, 0, 1, second),
        (_RETURN, 0, 0, _ERROR | errno.EIO),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in instructions))
    program = _Program(len(instructions), ctypes.cast(code, ctypes.c_void_p))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.prctl(
        _SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0
    ):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
