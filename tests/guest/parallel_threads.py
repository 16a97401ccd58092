#!/usr/bin/env python3
"""Threads of one process run on all CPUs at once: parallel_threads.py [CPUS...]

An OpenMP program on nodes of 1, 2 and 4 CPUs: where its threads run, what CPU time they take, that they
stay where they are told to.
"""
import pathlib
import subprocess
import sys

from node_shell import NodeShell

HERE = pathlib.Path(__file__).resolve().parent


def main():
    failed = 0
    for cpus in [int(word) for word in sys.argv[1:]] or [1, 2, 4]:
        with NodeShell(cpus=cpus, memory=512) as shell:
            subprocess.run(["gcc", "-fopenmp", "-static", "-O1", "-Wl,--no-warnings", "-o", shell.share / "parallel_threads",
                            HERE / "parallel_threads.c"], check=True)
            status, text = shell.run("/cluster/parallel_threads", 100)
        print(text)
        if status != 0 or "all is well" not in text or f"{cpus} CPUs" not in text:
            print(f"on {cpus} CPUs: {status}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
