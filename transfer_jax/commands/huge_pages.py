"""Memory in huge pages, without which a CPU waits for small ones at every step.

XLA allocates what a step computes at each step anew, and a kernel gives new memory page by page:
540 MB in pages of 4 KiB take a quarter of a step of EfficientNet-Lite0. glibc asks for pages of
2 MiB where it is told to when a process starts, and at no other time. Numbers stay the same. With a
GPU or a TPU it is the memory of their host alone.
"""

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

# The commands that train, or measure how fast that is.
TRAINING = ("run", "ask", "sweep", "plan")
TUNABLES, ASK = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
# Set where a process began again, so that none does so twice, whatever becomes of the other.
BEGUN = "TRANSFER_JAX_HUGE_PAGES"
# The kernel's choice is in brackets: whoever asks has huge pages, or all, or nobody.
KERNEL, TO_WHO_ASKS = Path("/sys/kernel/mm/transparent_hugepage/enabled"), "[madvise]"
SINCE = (2, 35)


def ask_for_huge_pages() -> None:
    """Begin this process again, as it was begun, with an allocator that asks for huge pages.

    Nothing is done by commands that do not train, where the kernel gives huge pages unasked or
    never, where the C library is none that asks, or where `GLIBC_TUNABLES` says what it is to do.
    """
    command = next((text for text in sys.argv[1:] if text[:1] != "-"), "")
    if command not in TRAINING or not sys.executable or {"-h", "--help"} & {*sys.argv}:
        return
    if environment := _asking(os.environ, _kernel(), _libc()):
        # If it cannot begin again it goes on as it is.
        with contextlib.suppress(OSError):
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _asking(own: Mapping[str, str], kernel: str, libc: str) -> dict[str, str] | None:
    """An environment in which huge pages are asked for; None where that is of no use.

    Example:
      >>> _asking({"GLIBC_TUNABLES": "a=1"}, "always [madvise] never", "glibc 2.36")
      {'GLIBC_TUNABLES': 'a=1:glibc.malloc.hugetlb=1', 'TRANSFER_JAX_HUGE_PAGES': '1'}
    """
    told = own.get(TUNABLES, "")
    if TO_WHO_ASKS not in kernel or BEGUN in own or ASK in told:
        return None
    name, _, version = libc.partition(" ")
    numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
    if name != "glibc" or tuple(numbers) < SINCE:
        return None
    return {**own, TUNABLES: ":".join(filter(None, [told, f"{ASK}=1"])), BEGUN: "1"}


def _kernel() -> str:
    try:
        return KERNEL.read_text()
    except OSError:  # another system, or a sandbox
        return ""


def _libc() -> str:
    """Such as "glibc 2.36"; empty for another C library."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ""
