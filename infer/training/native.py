"""Compiles and loads the C helper beside this file (targets.c)."""

import ctypes
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = ["-O3", "-march=native", "-shared", "-fPIC"]


def load(name):
    """ctypes library of NAME.c, compiled with gcc into build/ when missing or older than its source."""
    source, built = HERE / f"{name}.c", HERE / "build" / f"lib{name}.so"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        built.parent.mkdir(exist_ok=True)
        subprocess.run(["gcc", *FLAGS, str(source), "-o", str(built), "-lm"], check=True)
    return ctypes.CDLL(str(built))


def pointer(array):
    """Address of a contiguous numpy array's data, for a C function's pointer parameter."""
    assert array.flags.c_contiguous
    return array.ctypes.data_as(ctypes.c_void_p)
