"""The commands of k42-sim."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from . import client, console, faults, gdb, machine, places, plan as plans, processes
from .places import Trouble


def megabytes(text):
    """256, 256M or 2G."""
    factor = {"M": 1, "G": 1024}.get(text[-1:].upper())
    number = text[:-1] if factor else text
    if not number.isdigit() or int(number) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no size; say 256M or 2G")
    return int(number) * (factor or 1)


def arguments():
    parser = argparse.ArgumentParser(prog="k42-sim", description="A cluster of K42 nodes on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, help_text):
        one = commands.add_parser(name, help=help_text, description=help_text)
        one.add_argument("--cluster", "--name", metavar="NAME", dest="cluster",
                         help="which cluster (default: k42, or the only one that runs)")
        return one

    up = command("up", "start a cluster")
    up.add_argument("-n", "--nodes", type=int, default=2, metavar="N")
    up.add_argument("--cpus", type=int, default=2, metavar="C", help="CPUs of each node (1 to 64)")
    up.add_argument("--memory", type=megabytes, default=256, metavar="SIZE", help="RAM of each node: 256M, 2G")
    up.add_argument("--arena", type=megabytes, default=32, metavar="SIZE", help="remote-accessible memory")
    up.add_argument("--transport", choices=("shm", "tcp"), default="shm")
    up.add_argument("--etcd", type=int, choices=(1, 3), default=1, metavar="1|3")
    up.add_argument("--seed", type=int, help="of injected faults (default: chosen, and printed)")
    up.add_argument("--share", metavar="DIR", help="/cluster of the nodes (default: a folder that goes at down)")
    up.add_argument("--kernel", metavar="FILE", help="kernel image (default: build/k42.elf)")
    up.add_argument("--append", default="", metavar="OPTIONS", help="more options for the kernel")
    up.add_argument("--bare", action="store_true", help="kernels only: no daemon, no fabric, no etcd")
    up.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")
    up.add_argument("--keep", action="store_true", help="leave a cluster that fails to start as it is")

    down = command("down", "end a cluster and remove everything it made")
    down.add_argument("--all", action="store_true", help="every cluster of this user")
    for name, text in (("status", "what runs"), ("list", "the clusters of this user")):
        command(name, text).add_argument("--json", action="store_true")
    command("console", "a node's serial console").add_argument("node")
    logs = command("logs", "what a node or the supervisor wrote")
    logs.add_argument("node", nargs="?", help="n1, m0 (etcd), or nothing: the supervisor")
    logs.add_argument("--part", choices=("console", "noded", "offload", "qemu"), default="console")
    logs.add_argument("-f", "--follow", action="store_true")
    shell = command("shell", "a shell on a node")
    shell.add_argument("node", nargs="?", default="n1")
    debug = command("gdb", "GDB on a running node, or on a core that k42ctl dump has made")
    debug.add_argument("target", nargs="?", metavar="n1|FILE",
                       help="default: $K42_NODE, or the first node that runs")
    debug.add_argument("--kernel", metavar="FILE", help="its image (default: the cluster's; of a core build/k42.elf)")
    debug.add_argument("words", nargs="*", metavar="-- WORDS", help="more options for GDB")
    fault = command("fault", "break something on purpose")
    fault.add_argument("kind", choices=(*faults.PROCESSES, *faults.WAYS, "loss"))
    fault.add_argument("targets", nargs="+", metavar="n1|m0")
    fault.add_argument("--part", choices=("node", "qemu", "noded", "offload"), default="node")
    fault.add_argument("--value", type=float, help="delay and clock: milliseconds; slow: megabytes a second; "
                                                   "break: at how many operations (0: at once)")
    fault.add_argument("--undone", action="store_true", help="break: before those operations, not after them")
    fault.add_argument("--by", choices=("signal", "monitor"), default="signal",
                       help="pause: QEMU's monitor stops the guest's clock, too")
    return parser.parse_args()


def make_plan(args):
    if not 1 <= args.nodes <= places.MOST_NODES:
        raise Trouble(f"a cluster has 1 to {places.MOST_NODES} nodes")
    if not 1 <= args.cpus <= 64:
        raise Trouble("a node has 1 to 64 CPUs")
    build = places.build_folder()
    kernel = pathlib.Path(args.kernel or build / "k42.elf").resolve()
    plan = plans.Plan(cluster=args.cluster or "k42", nodes=args.nodes, cpus=args.cpus,
                      memory_mib=args.memory, arena_mib=args.arena, transport=args.transport,
                      etcd=args.etcd, share=os.path.abspath(args.share) if args.share else "",
                      seed=args.seed if args.seed is not None else int.from_bytes(os.urandom(4)),
                      build=str(build), kernel=str(kernel), append=args.append, bare=args.bare,
                      timeout=args.timeout)
    needed = [str(kernel)]
    needed += [] if args.bare else [plan.program(one) for one in ("k42-noded", "k42-offload", "k42-module")]
    for path in needed:
        if not pathlib.Path(path).exists():
            raise Trouble(f"{path} is missing; build it with: cmake --preset default && cmake --build build")
    try:
        machine.words(plan.cpus)
    except ValueError as error:
        raise Trouble(str(error)) from None
    for program in [machine.PROGRAM] + ([] if args.bare else ["etcd"]):
        if not shutil.which(program):
            raise Trouble(f"{program} is not installed (tests/packages.txt lists what is needed)")
    if args.share and not pathlib.Path(plan.share).is_dir():
        raise Trouble(f"--share: {plan.share} is no folder")
    return plan


def up(args):
    plan = make_plan(args)
    place = places.Place(plan.cluster)
    lock = place.take_lock()
    if lock is None:
        raise Trouble(f"cluster {place.name} already runs; end it with: k42-sim down --cluster {place.name}")
    tidy(place)
    place.folder.mkdir(mode=0o700)
    if not plan.share:
        plan.share = str(place.folder / "share")
        os.mkdir(plan.share, 0o700)
    plan.save(place.plan)
    with lock, open(place.log, "ab") as log:  # the supervisor inherits the held lock
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "k42sim.supervisor", place.name, str(lock.fileno())],
            pass_fds=[lock.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, cwd=pathlib.Path(__file__).resolve().parents[1])
    deadline = time.monotonic() + 30
    while not client.listens(place):
        if supervisor.poll() is not None or time.monotonic() > deadline:
            text = place.log.read_text() if place.log.exists() else "it ended at once"
            raise Trouble(f"the supervisor did not start: {text.strip()[-2000:]}")
        time.sleep(0.02)
    return follow_start(args, place)


def follow_start(args, place):
    try:
        for event in client.lines(place, {"request": "events"}):
            if event["kind"] == "failed":
                places.complain(event["text"])
                break
            print(f"{event['seconds']:6.2f} s  {event['text']}", flush=True)
            if event["kind"] == "ready":
                return 0
        else:
            places.complain("the supervisor ended")
    except KeyboardInterrupt:
        places.complain("interrupted")
    if args.keep:
        places.complain(f"left as it is in {place.folder}; end it with: k42-sim down --cluster {place.name}")
    else:
        show_last_lines(place)
        end(place)
    return 1


def show_last_lines(place):
    for log in sorted(place.folder.glob("n*/*.log")):
        lines = log.read_text(errors="replace").splitlines()[-5:]
        if lines:
            print(f"--- {log.parent.name}/{log.name}", *lines, sep="\n", file=sys.stderr)


def tidy(place):
    """Removes what a crashed run left. The lock is ours, so no supervisor lives."""
    if place.folder.exists() and not place.exists():
        raise Trouble(f"{place.folder} is no cluster's folder; move it away, or choose another --cluster NAME")
    if place.folder.exists():
        ended = processes.end_leftovers(place.processes)
        shutil.rmtree(place.folder)
        places.complain(f"removed what a crashed run left ({ended} processes)")


def end(place):
    if place.runs():
        try:
            client.ask(place, {"request": "stop"})
        except Trouble as error:
            places.complain(str(error))
    deadline = time.monotonic() + 20
    while place.runs() and time.monotonic() < deadline:
        time.sleep(0.05)
    lock = place.take_lock()
    if lock is None:
        raise Trouble(f"the supervisor of {place.name} does not end; see {place.log}")
    tidy(place)
    place.lock.unlink(missing_ok=True)
    lock.close()


def down(args):
    wanted = [places.Place(name) for name in places.clusters()] if args.all else [places.choose(args.cluster)]
    for place in wanted:
        if not place.exists() and not place.runs():
            raise Trouble(f"no cluster {place.name}")
        end(place)
        print(f"cluster {place.name} is down")
    return 0


def status(args):
    answer = client.ask(places.choose(args.cluster), {"request": "status"})
    if args.json:
        print(json.dumps(answer, indent=1))
        return 0
    print(f"cluster {answer['cluster']}: up {answer['seconds']} s, transport {answer['transport']}, "
          f"seed {answer['seed']}, {answer['folder']}")
    for one in answer["nodes"]:
        pids = " ".join(f"{part}={pid}" for part, pid in one["pids"].items())
        print(f"  {one['node']:5} {one['state']:8} {one['seconds']:8} s  life {one['lives']}  {pids}  {one['why']}")
    for one in answer["etcd"]:
        print(f"  {one['member']:5} {'up' if one['pid'] else 'down':8} {one['endpoint']}")
    return 0


def list_clusters(args):
    found = [{"cluster": name, "running": places.Place(name).runs()} for name in places.clusters()]
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        for one in found:
            print(f"{one['cluster']:20} {'running' if one['running'] else 'left behind: k42-sim down removes it'}")
    return 0


def node_folder(args, name):
    place = places.choose(args.cluster)
    folder = place.folder / name
    if not folder.is_dir():
        raise Trouble(f"cluster {place.name} has no node {name}")
    return folder


def logs(args):
    place = places.choose(args.cluster)
    if not args.node:
        path = place.log
    elif args.node.startswith("m"):
        path = place.folder / "etcd" / f"{args.node}.log"
    else:
        path = node_folder(args, args.node) / f"{args.part}.log"
    if not path.exists():
        raise Trouble(f"{path} does not exist")
    os.execvp("tail", ["tail", "-n", "+1", *(["-F"] if args.follow else []), str(path)])


def shell(args):
    place = places.choose(args.cluster)
    control = places.build_folder() / "bin" / "k42ctl"
    os.execv(control, [str(control), "--cluster", place.name, "run", "--terminal", "--node", args.node, "--",
                       "/bin/sh"])


def fault(args):
    words = {"kind": args.kind, "targets": args.targets, "part": args.part, "value": args.value, "by": args.by,
             "undone": args.undone}
    client.ask(places.choose(args.cluster), {"request": "fault", **words}, limit=90.0)
    return 0


def main():
    args = arguments()
    run = {"up": up, "down": down, "status": status, "list": list_clusters, "logs": logs, "shell": shell,
           "fault": fault, "gdb": gdb.run, "console": lambda a: console.attach(node_folder(a, a.node) / "console.sock")}
    try:
        return run[args.command](args) or 0
    except Trouble as error:
        places.complain(str(error))
        return 1
    except OSError as error:
        places.complain(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
        return 1
    except KeyboardInterrupt:
        places.complain("interrupted")
        return 130
