"""GDB for K42 kernels: `gdb -x node-kernel/debug/gdb/k42.py build/k42.elf n1.core` (README.md)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import k42gdb  # noqa: E402

k42gdb.start()
