"""How long a node takes to be ready, from QEMU's start on, and how much of its memory is then resident on
the host (the arena apart).
"""
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/guest"))
import guest  # noqa: E402
import resident  # noqa: E402

PREFIXES = ("boot.",)
IMAGE = ROOT / "build/k42.elf"
ROUNDS = 10


def ready_ms(cpus):
    """Median of ROUNDS."""
    times = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        with guest.Guest(IMAGE, cpus=cpus) as node:
            node.expect("k42: ready")
            times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def rows():
    for cpus in (2, 8):
        yield {"name": f"boot.ready_{cpus}cpu", "value": ready_ms(cpus), "unit": "ms", "better": "lower"}
    yield {"name": "boot.resident_256mb", "value": resident.resident_mib(IMAGE), "unit": "MiB", "better": "lower"}
