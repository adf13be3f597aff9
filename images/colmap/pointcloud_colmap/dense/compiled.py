"""How this package's loops are compiled by numba: for which processor, and with what freedom.

Kernels let go of Python's lock and start no threads of their own; `threads.py` spreads rows over threads.

The inner loop reads 32 scattered words, which AVX2 does in four instructions: with it everything takes half the time.
So an image carries code for processors with it and without, and which is used is decided here, before anything is
compiled. Both give good maps, not the same bytes: one rounds a product and its sum at once. A processor is given by its
name in LLVM, and the tuning says that reading scattered words is worth it, which LLVM's general one denies.
"""

import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba.core import config

Function = TypeVar("Function", bound=Callable[..., Any])

GENERIC: Final[Mapping[str, str]] = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
"""Any processor of the architecture."""
WITH_AVX2: Final[Mapping[str, str]] = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "+fast-gather"}
"""Any of the x86-64 psABI's third level: Intel's since Haswell, AMD's since Excavator."""

_X86: Final = "x86_64"
_THIRD_LEVEL: Final = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})
"""What the level asks for beyond the second, in the kernel's words: https://gitlab.com/x86-psABIs/x86-64-ABI."""


def processors() -> tuple[Mapping[str, str], ...]:
    """For which kinds of processor of this machine's architecture an image carries code: environments for numba."""
    return (GENERIC, WITH_AVX2) if platform.machine() == _X86 else (GENERIC,)


def this_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> Mapping[str, str]:
    """The kind that this machine's processor is of."""
    if platform.machine() != _X86:
        return GENERIC
    for line in cpuinfo.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return WITH_AVX2 if set(value.split()) >= _THIRD_LEVEL else GENERIC
    return GENERIC


if "NUMBA_CPU_NAME" not in os.environ:
    os.environ.update(this_processor())
config.reload_config()  # type: ignore[no-untyped-call]


def type_of(value: Any) -> Any:
    """What numba calls the type of a value, of which a kernel is compiled for each."""
    return numba.typeof(value)  # type: ignore[no-untyped-call]


def compiled(function: Function) -> Function:
    """numba.njit for this package, with its result typed as the function it compiles."""
    # fastmath: sums may be split over a vector's lanes. "numpy": a division by zero gives infinity, without a test.
    return cast("Function", numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")(function))


def inner(function: Function) -> Function:
    """The same for what only such a function calls and what makes no array: it is put into its callers.

    Else each call hands over dozens of numbers that arrays are made of; and numba counts a reference whenever an array
    is taken out of a tuple, by an atomic instruction for which threads wait. Together they took three quarters of the
    time.
    """
    options: dict[str, Any] = {"forceinline": True, "_nrt": False}
    return cast("Function", numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy", **options)(function))
