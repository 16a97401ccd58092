# What monitors see of the node: psutil, ss, netstat, ps over one's own children and sockets.
/usr/bin/python3 - <<'END'
import os, psutil, socket, subprocess, time
def holds(name, what): print(name, bool(what))
holds("cpus", psutil.cpu_count() > 0 and len(psutil.cpu_times(percpu=True)) == psutil.cpu_count())
holds("percent", 0 <= psutil.cpu_percent(0.2) <= 100)
memory = psutil.virtual_memory()
holds("memory", memory.total > memory.available > 0 and 0 <= memory.percent <= 100)
holds("swap", psutil.swap_memory().used >= 0)
holds("boot", 0 < psutil.boot_time() <= time.time())
holds("load", len(psutil.getloadavg()) == 3)
holds("disk", psutil.disk_usage("/").total >= 0)
holds("nics", "lo" in psutil.net_io_counters(pernic=True) and "lo" in psutil.net_if_addrs())
holds("stats", psutil.net_if_stats()["lo"].isup)
own = psutil.Process()
print(own.name(), own.status(), own.num_threads(), own.cwd() == os.getcwd(), own.username(), own.nice())
holds("exe", "python3" in own.exe() and own.cmdline()[0].endswith("python3"))
holds("environ", own.environ()["HOME"] == os.environ["HOME"])
holds("memory_info", own.memory_info().rss > 1 << 20 and own.memory_full_info().uss > 0)
holds("maps", any("python3" in m.path for m in own.memory_maps()))
holds("io", own.io_counters().read_count >= 0)
holds("times", own.cpu_times().user > 0)
holds("affinity", own.cpu_affinity() == list(range(psutil.cpu_count())))
holds("switches", sum(own.num_ctx_switches()) > 0)
child = subprocess.Popen(["sleep", "100"])
print([(c.name(), c.ppid() == own.pid) for c in own.children()])
watched = psutil.Process(child.pid)
watched.suspend(); time.sleep(0.2); print(watched.status()); watched.resume(); watched.terminate(); print(watched.wait())
print(psutil.pid_exists(child.pid))
busy = subprocess.Popen(["taskset", "-c", "0", "sh", "-c", "while :; do :; done"]); time.sleep(0.3)
def used(times): return times.user + times.nice + times.system
before = used(psutil.cpu_times(percpu=True)[0]); time.sleep(1); after = used(psutil.cpu_times(percpu=True)[0])
holds("alone on its CPU", after - before > 0.3); busy.kill(); busy.wait()
listener = socket.create_server(("127.0.0.1", 0)); port = listener.getsockname()[1]
client = socket.create_connection(("127.0.0.1", port)); server = listener.accept()[0]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0))
print(sorted((c.status, c.laddr.port == port, bool(c.raddr)) for c in own.connections()))
own_port = client.getsockname()[1]
print(len([c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port in (port, own_port)]))
def lines(command, *words):
    text = subprocess.run(command, capture_output=True, text=True).stdout
    return sorted(line.split()[:1] for line in text.splitlines() if all(f":{w} " in line + " " for w in words))
print(lines(["ss", "-tlnH"], port), lines(["ss", "-tnH"], port, own_port), len(lines(["ss", "-unaH"], udp.getsockname()[1])))
local = socket.socket(socket.AF_UNIX); local.bind("here.sock"); local.listen()
print([line.split()[:2] for line in subprocess.run(["ss", "-xlH"], capture_output=True, text=True).stdout.splitlines() if "here.sock" in line])
END
ps -o pid=,stat=,comm= -p $$ | awk -v p=$$ '{ print ($1 == p), substr($2, 1, 1), $3 }'; awk '/lo:/ { print NF }' /proc/net/dev; lsblk > /dev/null; echo "lsblk $?"; setpriv -d | grep -c '^Ambient cap.*none'; setpriv --ambient-caps -all true; echo "setpriv $?"
