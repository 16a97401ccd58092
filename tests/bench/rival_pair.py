"""Two guests of the rival, joined by a netdev of QEMU's: Debian's kernel, the host's /usr by 9P, and
Open MPI as Debian has it. The profile is rival.py's; only the network is added. (tests/cluster/rdma_test.py
has two such guests as well, with its own init and modules.)

The netdevs: `stream`, a Unix stream socket (-netdev stream, QEMU 7.2), `dgram`, a pair of Unix datagram
sockets, `listen`, a TCP connection (-netdev socket,listen=), and `mcast`, IP multicast on the loopback.
"""
import pathlib
import re
import subprocess
import tempfile
import time

import rival

NETDEVS = ("stream", "dgram", "listen", "mcast")
MODULES = ("virtio_pci", "virtio_net", "9pnet_virtio", "9p")
BUSYBOX = "/bin/busybox"  # Debian's busybox-static
PORT = 23117              # of listen and mcast, on the loopback

# Both guests: modules, file systems, address.
START = """#!/bin/busybox sh
/bin/busybox mkdir -p /usr /etc /proc /sys /dev /tmp /cluster /run
/bin/busybox mount -t proc none /proc; /bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev; /bin/busybox mkdir -p /dev/pts /dev/shm
/bin/busybox mount -t devpts none /dev/pts; /bin/busybox mount -t tmpfs none /dev/shm
/bin/busybox mount -t tmpfs none /tmp
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module; done
for tag in usr etc; do /bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose $tag /$tag; done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L cluster /cluster
node=$(/bin/busybox sed 's/.*node=\\([0-9]\\).*/\\1/' /proc/cmdline)
printf '127.0.0.1 localhost\\n10.77.0.1 l1\\n10.77.0.2 l2\\n' > /run/hosts
/bin/busybox mount -o bind /run/hosts /etc/hosts
/bin/busybox hostname l$node
/bin/busybox ifconfig lo 127.0.0.1 up; /bin/busybox ifconfig eth0 10.77.0.$node netmask 255.255.255.0 up
export HOME=/tmp PATH=/usr/bin:/usr/sbin:/bin:/sbin
"""
# Then guest 2 serves commands, and guest 1 launches.
INIT = START + """
echo clocksource $(/bin/busybox cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
if [ $node = 2 ]; then
  exec /bin/busybox nc -ll -p 514 -e /bin/busybox sh
fi
until /bin/busybox nc -w 1 l2 514 < /dev/null; do /bin/busybox sleep 0.2; done
mpirun.openmpi --allow-run-as-root --mca plm_rsh_agent /rsh --mca pml ob1 --mca btl tcp,vader,self \\
  --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 --host l1:1,l2:1 -np 2 /cluster/program
/bin/busybox poweroff -f
"""
# As ssh is called: options, host, words for a shell.
AGENT = """#!/bin/busybox sh
while case $1 in -*) true ;; *) false ;; esac; do shift; done
host=$1; shift
{ echo "$*; exit"; /bin/busybox sleep 1000000; } | /bin/busybox nc $host 514
"""


def module_files(version, modules):
    """Paths of what `modules` need, in the order of insertion. What has no file is built in."""
    files = {file.stem.replace("-", "_"): file
             for file in (rival.CACHE / "tree/lib/modules" / version).rglob("*.ko")}
    order = []

    def add(name):
        file = files.get(name)
        if file is None or file in order:
            return
        below = re.search(rb"\0depends=([^\0]*)\0", file.read_bytes()).group(1).decode()
        for one in filter(None, below.replace("-", "_").split(",")):
            add(one)
        order.append(file)

    for name in modules:
        add(name)
    return order


def initramfs(init=INIT, modules=MODULES, name="pair.cpio"):
    rival.kernel()
    version = next((rival.CACHE / "tree/lib/modules").iterdir()).name
    entry = rival.cpio_entry
    parts = [entry(folder, 0o40755) for folder in ("bin", "dev", "modules")]
    parts += [entry("dev/console", 0o20600), entry("bin/busybox", 0o100755, pathlib.Path(BUSYBOX).read_bytes()),
              entry("bin/sh", 0o120777, b"busybox"), entry("lib", 0o120777, b"usr/lib"),
              entry("lib64", 0o120777, b"usr/lib64"), entry("sbin", 0o120777, b"usr/sbin"),
              entry("init", 0o100755, init.encode()), entry("rsh", 0o100755, AGENT.encode())]
    files = module_files(version, modules)
    parts += [entry(f"modules/{file.name}", 0o100644, file.read_bytes()) for file in files]
    parts += [entry("modules/order", 0o100644, "\n".join(file.name for file in files).encode()),
              entry("TRAILER!!!", 0)]
    path = rival.CACHE / name
    path.write_bytes(b"".join(parts))
    return path


def netdev(kind, node, folder):
    mine, other = f"{folder}/net{node}", f"{folder}/net{3 - node}"
    return {
        "stream": f"stream,id=net,addr.type=unix,addr.path={folder}/net,server={'on' if node == 2 else 'off'}",
        "dgram": f"dgram,id=net,local.type=unix,local.path={mine},remote.type=unix,remote.path={other}",
        "listen": f"socket,id=net,{'listen' if node == 2 else 'connect'}=127.0.0.1:{PORT}",
        "mcast": f"socket,id=net,mcast=230.77.0.1:{PORT},localaddr=127.0.0.1",
    }[kind]


def command(kind, node, folder, memory, initrd, append=""):
    words = ["qemu-system-x86_64", *rival.TIMED, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-serial", "stdio", "-M", "q35", "-cpu", rival.CPU, "-smp", "1", "-m", str(memory),
             "-kernel", str(rival.kernel()), "-initrd", str(initrd),
             "-append", f"{rival.APPEND} rdinit=/init node={node}{append}", "-netdev", netdev(kind, node, folder),
             "-device", f"virtio-net-pci,netdev=net,mac=52:54:00:77:00:0{node},romfile="]
    for tag, path, mode in (("usr", "/usr", "readonly=on"), ("etc", "/etc", "readonly=on"),
                            ("cluster", folder, "readonly=off")):
        words += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap,{mode}",
                  "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    return words


def run(program, kind, memory=512, timeout=240):
    """What `program`, a job of two ranks on two guests, printed."""
    with tempfile.TemporaryDirectory(prefix="k42-rival-") as folder:
        job = pathlib.Path(folder) / "program"
        job.write_bytes(pathlib.Path(program).read_bytes())
        job.chmod(0o755)
        initrd = initramfs()  # once: both guests read the one file
        console = pathlib.Path(folder) / "console2"
        with open(console, "wb") as out:
            second = subprocess.Popen(command(kind, 2, folder, memory, initrd), stdin=subprocess.DEVNULL, stdout=out,
                                      stderr=out)
        try:
            # The one that listens first: QEMU's stream netdev connects once, and says nothing if that fails.
            until = time.monotonic() + 60
            while b"clocksource" not in console.read_bytes() and time.monotonic() < until:
                time.sleep(0.1)
            done = subprocess.run(command(kind, 1, folder, memory, initrd), capture_output=True, text=True,
                                  errors="replace", stdin=subprocess.DEVNULL, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            raise RuntimeError(f"two Linux guests over {kind}: no end\n{(late.stdout or b'')[-2000:]}") from late
        finally:
            second.kill()
            second.wait()
    if "clocksource tsc" not in done.stdout or "rows done" not in done.stdout:
        raise RuntimeError(f"two Linux guests over {kind}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return done.stdout
