"""The one rival profile: Debian's own kernel in the same emulated machine.

Same CPUs and memory, `mitigations=off init_on_alloc=0 tsc=reliable nokaslr`; erms and fsrm are
masked because emulated `rep stosb` runs byte by byte and would double Linux's page-fault cost, an
artefact nobody should win by. The kernel package is downloaded and unpacked under build/, never
installed; its version is asked of apt.
"""
import gzip
import lzma
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "rival"
CPU = "max,-erms,-fsrm"
APPEND = "console=ttyS0 quiet mitigations=off init_on_alloc=0 tsc=reliable nokaslr panic=-1"
ICOUNT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
TIMED = ["-accel", "tcg,thread=multi"]


def kernel():
    """Path of the rival's vmlinux (an ELF that QEMU boots by PVH), fetched once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    image = CACHE / "vmlinux"
    if image.exists():
        return image
    shown = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True,
                           text=True, check=True).stdout
    package = re.search(r"Depends: (linux-image-\S+)", shown).group(1)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=CACHE, check=True)
    deb = next(CACHE.glob(f"{package}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", deb, CACHE / "tree"], check=True)
    packed = next((CACHE / "tree/boot").glob("vmlinuz-*")).read_bytes()
    # The bzImage carries an xz stream of the ELF; find it by its magic.
    start = packed.find(b"\xfd7zXZ\x00")
    image.write_bytes(lzma.LZMADecompressor().decompress(packed[start:]))
    (CACHE / "version").write_text(deb.name)
    return image


def cpio_entry(name, mode, data=b"", number=[0]):
    number[0] += 1
    head = "070701" + "".join(f"{v:08x}" for v in (
        number[0], mode, 0, 0, 1, 0, len(data), 0, 0, 5 if name == "dev/console" else 0,
        1 if name == "dev/console" else 0, len(name) + 1, 0))
    entry = head.encode() + name.encode() + b"\0"
    entry += b"\0" * (-len(entry) % 4)
    return entry + data + b"\0" * (-len(data) % 4)


def initramfs(program):
    """An initramfs whose init is `program` (a static binary)."""
    parts = [cpio_entry(folder, 0o40755) for folder in ("dev", "proc", "sys", "tmp")]
    parts.append(cpio_entry("dev/console", 0o20600))
    parts.append(cpio_entry("init", 0o100755, pathlib.Path(program).read_bytes()))
    parts.append(cpio_entry("TRAILER!!!", 0))
    path = CACHE / "initramfs.gz"
    path.write_bytes(gzip.compress(b"".join(parts), 1))
    return path


def run(program, icount, cpus=1, memory=256, timeout=300, words=""):
    """Console output of the rival running `program` as init, with these words."""
    command = ["qemu-system-x86_64", *(ICOUNT if icount else TIMED), "-nodefaults", "-no-user-config",
               "-display", "none", "-no-reboot", "-serial", "stdio", "-M", "q35", "-cpu", CPU,
               "-smp", str(cpus), "-m", str(memory), "-kernel", str(kernel()),
               "-initrd", str(initramfs(program)), "-append", f"{APPEND} rdinit=/init -- {words}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, errors="replace")
    return done.stdout


def figures(output):
    """The rows that programs/micro.c printed, by name."""
    if "clocksource tsc" not in output or "rows done" not in output:
        raise RuntimeError("the rival did not run to the end on its TSC:\n" + output[-2000:])
    return {name: float(value) for name, value in re.findall(r"^row (\w+) ([\d.]+)", output, re.M)}
