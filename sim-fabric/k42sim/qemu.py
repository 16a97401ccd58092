"""The QEMU command line of one node: a pure function of the plan.

RAM and the fabric arena are two memory backends (memfd, shared), NUMA nodes 0 and 1: only the arena
is ever registered or given to a peer. The link's doorbells travel over a vhost-user-blk device whose
socket QEMU opens and k42-noded connects to; QEMU waits for that before it runs the guest.
"""
import pathlib

from . import machine

# Read-only exports of the host. What is a symbolic link at the host's root (/bin, /lib on Debian 12) is
# not exported: the kernel makes those links itself.
EXPORTED = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc")


# Where a node finds the programs of this build, k42-rsh and k42ctl among them.
PROGRAMS = ("k42", "/opt/k42/bin")


def exports(root="/"):
    """(tag, path) of the folders."""
    paths = ((name, pathlib.Path(root) / name) for name in EXPORTED)
    return [(name, str(path)) for name, path in paths if path.is_dir() and not path.is_symlink()]


def command(plan, number, folder, share):
    ram, arena, cpus = plan.memory_mib, plan.arena_mib, plan.cpus
    words = machine.words(cpus) + ["-name", f"k42-{plan.cluster}-n{number}"]
    if plan.bare:
        words += ["-m", f"{ram}M"]
    else:
        words += ["-m", f"{ram + arena}M",
                  "-object", f"memory-backend-memfd,id=ram,size={ram}M,share=on",
                  "-object", f"memory-backend-memfd,id=arena,size={arena}M,share=on",
                  "-numa", f"node,nodeid=0,memdev=ram,cpus=0-{cpus - 1}",
                  "-numa", "node,nodeid=1,memdev=arena",
                  "-chardev", f"socket,id=link,path={folder}/link.sock,server=on,wait=off",
                  "-device", f"vhost-user-blk-pci-non-transitional,chardev=link,num-queues={cpus}"]
    words += ["-chardev", f"socket,id=console,path={folder}/console.sock,server=on,wait=off,"
                          f"logfile={folder}/console.log,logappend=on",
              "-serial", "chardev:console",
              "-qmp", f"unix:{folder}/qmp.sock,server=on,wait=off"]
    append = f"node={number} name=n{number}"
    for tag, path in exports():
        words += _export(tag, path, "on")
        append += f" mount={tag}:/{tag}:ro"
    programs = pathlib.Path(plan.build) / "bin"
    if programs.is_dir():
        words += _export(PROGRAMS[0], programs, "on")
        append += f" mount={PROGRAMS[0]}:{PROGRAMS[1]}:ro"
    words += _export("cluster", share, "off")
    append += " mount=cluster:/cluster"
    if plan.append:
        append += " " + plan.append
    return words + ["-kernel", plan.kernel, "-append", append]


def _export(tag, path, readonly):
    # A comma in an option's value is doubled.
    path = str(path).replace(",", ",,")
    return ["-fsdev", f"local,id=fs-{tag},path={path},security_model=none,multidevs=remap,"
                      f"readonly={readonly}",
            "-device", f"virtio-9p-pci,fsdev=fs-{tag},mount_tag={tag}"]


def explain_exit(status):
    """isa-debug-exit gives 2v+1 for the guest's value v."""
    if status < 0:
        return f"killed by signal {-status}"
    return {33: "the node powered off", 3: "the kernel panicked",
            7: "the kernel refused an option"}.get(status, f"exit status {status}")
