#!/usr/bin/env python3
"""MPI jobs on one node over shared memory, unmodified from Debian: mpi_node.py openmpi|mpich [--times N]

The same command runs first on the host's Linux, as often; then on the node. Each job's results are
checked by the job itself (tests/mpi/ring.c), and each rank's boot id is compared with the node's.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

from node_shell import ROOT, NodeShell

RANKS = 4
FLAVOURS = {
    "openmpi": ("mpicc.openmpi", f"mpirun.openmpi --allow-run-as-root --oversubscribe -np {RANKS}"),
    "mpich": ("mpicc.mpich", f"mpiexec.hydra -n {RANKS}"),
}
BOOT_ID = "/proc/sys/kernel/random/boot_id"
PER_JOB = 20  # seconds at most, emulated, on a busy machine


def passes(text, boot_id):
    lines = text.splitlines()
    ranks = [line for line in lines if line.startswith("rank ")]
    placed = len(ranks) == RANKS and all(line.endswith(boot_id) for line in ranks)
    return placed and any(line.startswith(f"ring ok: {RANKS} ranks") for line in lines)


def on_host(command, program, times):
    boot_id = pathlib.Path(BOOT_ID).read_text().strip()
    for number in range(times):
        done = subprocess.run([*command.split(), program], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0 or not passes(done.stdout, boot_id):
            return f"job {number + 1} fails on the host's Linux too:\n{done.stdout}{done.stderr}"
    return None


def on_node(command, program, times):
    with NodeShell(cpus=2, memory=1024) as node:
        node.add(program, "ring")
        script = f"cat {BOOT_ID} > /cluster/boot_id\nexport OMPI_MCA_btl=vader,self\n"
        script += f"i=0; while [ $i -lt {times} ]; do i=$((i+1))\n"
        script += f"  {command} /cluster/ring > /cluster/job.$i 2>&1; echo exit $? >> /cluster/job.$i\ndone\nexit 0"
        status, _ = node.run(script, 60 + PER_JOB * times)
        boot_file = node.share / "boot_id"
        boot_id = boot_file.read_text().strip() if boot_file.exists() else "none"
        for number in range(1, times + 1):
            job = node.share / f"job.{number}"
            text = job.read_text(errors="replace") if job.exists() else ""
            if "exit 0" not in text.splitlines() or not passes(text, boot_id):
                return f"job {number} of {times} fails on the node (status {status}):\n{text}\n" + \
                    "\n".join(node.log.splitlines()[-20:])
    return None


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("flavour", choices=FLAVOURS)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    compiler, command = FLAVOURS[options.flavour]
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/ring"
        subprocess.run([compiler, "-O2", "-o", program, ROOT / "tests/mpi/ring.c"], check=True)
        for run in (on_host, on_node):
            fault = run(command, program, options.times)
            if fault:
                print(fault)
                return 1
    print(f"{options.flavour}: {options.times} jobs of {RANKS} ranks, on the host and on a node")
    return 0


if __name__ == "__main__":
    sys.exit(main())
