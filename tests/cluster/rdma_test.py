#!/usr/bin/env python3
"""The transport between hosts over RDMA, without RDMA hardware: two Linux guests with Soft-RoCE (rdma_rxe of
Debian's kernel, as tests/bench/rival.py fetches it) run the contract's tests over rc, every second node in the
other guest. Also what is listed of the device. Correctness only: an emulated NIC's times say nothing.

rdma_test.py [PROGRAM [FILTER]]    (default: build/bin/unit_interconnect, the tests that reach the device)
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/bench"))
import rival  # noqa: E402
import rival_pair  # noqa: E402

MODULES = (*rival_pair.MODULES, "crc32_generic", "crc32_pclmul", "rdma_rxe", "rdma_ucm", "ib_uverbs")
# The first GID is an IPv6 one that ends with the link; 1 is the IPv4 address. UCX's ud over it drops every
# packet of rxe's unless it leaves the destination unchecked.
INIT = rival_pair.START + """
rdma link add rxe0 type rxe netdev eth0
export UCX_IB_GID_INDEX=1 UCX_UD_VERBS_ETH_DGID_CHECK=n K42_RDMA_DEVICE=rxe0:1
# Emulated pages are dear: few receive buffers.
export UCX_RC_VERBS_RX_QUEUE_LEN=512 UCX_UD_VERBS_RX_QUEUE_LEN=256
if [ $node = 2 ]; then
  exec /cluster/program --node-agents=7000
fi
until /bin/busybox nc -w 1 l2 7000 < /dev/null; do /bin/busybox sleep 0.2; done
export K42_NODE_AGENTS=10.77.0.2:7000
/cluster/program --gtest_color=no --gtest_filter='FILTER'
echo program ended: $?
/bin/busybox grep -H . /sys/class/infiniband/rxe0/ports/1/hw_counters/sent_pkts
/bin/busybox poweroff -f
"""
FILTER = "*/Conformance.*:*/BetweenProcesses.*:Devices.*:OneSided.*"
LIMIT_S = 340


def run(program, chosen):
    """The consoles of both guests, and the seconds until the program began and ended."""
    with tempfile.TemporaryDirectory(prefix="k42-rdma-") as folder:
        shutil.copy(program, f"{folder}/program")
        initrd = rival_pair.initramfs(INIT.replace("FILTER", chosen), MODULES, "rdma.cpio")
        began = time.monotonic()
        consoles = {}
        guests = {}
        try:
            for node in (2, 1):
                consoles[node] = open(f"{folder}/console{node}", "w+b")
                # Without the check: an emulated CPU that the host does not run loses its ticks.
                command = rival_pair.command("stream", node, folder, 512, initrd, " no_timer_check")
                guests[node] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=consoles[node],
                                                stderr=subprocess.STDOUT)
                while (node == 2 and not pathlib.Path(f"{folder}/net").exists()  # where the other connects
                       and guests[2].poll() is None and time.monotonic() - began < LIMIT_S):
                    time.sleep(0.05)
            while guests[1].poll() is None:
                if guests[2].poll() is not None:
                    print(f"the other guest ended: {guests[2].returncode}")
                    break
                if time.monotonic() - began > LIMIT_S:
                    print(f"no end within {LIMIT_S} s")
                    break
                time.sleep(0.2)
        finally:
            for guest in guests.values():
                guest.kill()
                guest.wait()
        texts = {}
        for node, file in consoles.items():
            file.seek(0)
            texts[node] = file.read().decode(errors="replace").replace("\r", "")
            file.close()
        return texts, time.monotonic() - began


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/bin/unit_interconnect"
    try:
        rival.kernel()
    except subprocess.CalledProcessError as error:
        print(f"Debian's kernel package cannot be had: {error}")
        return 77
    texts, seconds = run(program, sys.argv[2] if len(sys.argv) > 2 else FILTER)
    passed = re.search(r"^\[  PASSED  \] (\d+) tests", texts[1], re.M)
    packets = re.search(r"sent_pkts:(\d+)", texts[1])
    if "program ended: 0" not in texts[1] or passed is None or packets is None:
        print(texts[1][-12000:], "\n---- the other guest ----\n", texts[2][-2000:], sep="")
        print("FAILED")
        return 1
    # That it was the device and not a way round it.
    few = 1000
    if int(packets[1]) < few:
        print(f"FAILED: only {packets[1]} packets left by the device")
        return 1
    for line in re.findall(r"^\[       OK \].*", texts[1], re.M):
        print(line)
    print(f"{passed[1]} tests over rc between two guests, {packets[1]} packets, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
