"""The machine that every node, test and bench is: the first words of QEMU's command line.

Firmware is qboot, which QEMU carries: it only makes the ACPI tables and jumps to the kernel, in half of the
time that SeaBIOS takes. PCI devices stay unplaced and other CPUs unstarted: the kernel does both
(drivers/pci_places.h, start_cpus.h). Where QEMU has no qboot, or with K42_FIRMWARE=seabios, it is SeaBIOS.
"""
import os
import pathlib
import shutil

PROGRAM = "qemu-system-x86_64"


def hardware_virtualization():
    """KVM only where the CPU says so and the device opens: elsewhere QEMU would fail late."""
    # The device alone says little: on a nested host it exists, and ordinary guests hang on it.
    try:
        with open("/proc/cpuinfo") as file:
            flags = next(line for line in file if line.startswith("flags")).split()
    except (OSError, StopIteration):
        return False
    return bool({"vmx", "svm"} & set(flags)) and os.access("/dev/kvm", os.R_OK | os.W_OK)


def accelerated():
    """Whether guests run on KVM: where the hardware has it, unless K42_ACCEL (kvm or tcg) says otherwise."""
    wanted = os.environ.get("K42_ACCEL")
    if wanted not in (None, "kvm", "tcg"):
        raise ValueError(f"K42_ACCEL={wanted}: kvm or tcg")
    return wanted == "kvm" if wanted else hardware_virtualization()


def _has_qboot():
    program = shutil.which(PROGRAM)
    if program is None:
        return False
    return (pathlib.Path(program).resolve().parents[1] / "share/qemu/qboot.rom").exists()


def firmware():
    wanted = os.environ.get("K42_FIRMWARE", "qboot")
    if wanted not in ("qboot", "seabios"):
        raise ValueError(f"K42_FIRMWARE={wanted}: qboot or seabios")
    return ["-bios", "qboot.rom"] if wanted == "qboot" and _has_qboot() else []


def words(cpus, icount=False, cpu="max"):
    """`cpu`: the model that is emulated. With `icount` one instruction is one ns: only emulation counts them."""
    kvm = not icount and accelerated()
    accel = "kvm" if kvm else "tcg,thread=" + ("single" if icount else "multi")
    return [PROGRAM, "-accel", accel, *(["-icount", "shift=0"] if icount else []),
            "-cpu", "host" if kvm else cpu, "-M", "q35", *firmware(), "-smp", str(cpus),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-device", "isa-debug-exit,iobase=0xf4"]
