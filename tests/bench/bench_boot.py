"""How long a node takes to be ready, from QEMU's start on, and how much of its memory is then resident on
the host (the arena apart).
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/guest"))
import ready  # noqa: E402
import resident  # noqa: E402

PREFIXES = ("boot.",)
IMAGE = ROOT / "build/k42.elf"


def rows():
    for cpus in (2, 8):
        yield {"name": f"boot.ready_{cpus}cpu", "value": ready.ready_ms(IMAGE, cpus), "unit": "ms", "better": "lower"}
    yield {"name": "boot.resident_256mb", "value": resident.resident_mib(IMAGE), "unit": "MiB", "better": "lower"}
