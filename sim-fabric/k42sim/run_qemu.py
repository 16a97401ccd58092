"""Becomes the QEMU of one node, where systemd supervises instead of k42-sim.

usage: python3 -m k42sim.run_qemu PLAN.json NODE FOLDER
"""
import os
import pathlib
import sys

from . import plan as plans, qemu


def main():
    plan = plans.Plan.load(pathlib.Path(sys.argv[1]))
    number, folder = int(sys.argv[2]), pathlib.Path(sys.argv[3])
    words = qemu.command(plan, number, folder, plan.share)
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
