# Threads, processes, asyncio, sockets, signals, files of Debian's python3.
cat > work.py <<'END'
def square(n): return n * n
END
/usr/bin/python3 - <<'END'
import asyncio, concurrent.futures, ctypes, hashlib, json, mmap, multiprocessing, os, queue, re, select, signal, socket
import sqlite3, subprocess, sys, tempfile, threading, time, zlib
sys.path.insert(0, os.getcwd())
from work import square

total, lock, work = [0], threading.Lock(), queue.Queue()
def add():
    while (n := work.get()) is not None:
        with lock: total[0] += n
threads = [threading.Thread(target=add) for _ in range(8)]
for t in threads: t.start()
for n in range(2000): work.put(n)
for _ in threads: work.put(None)
for t in threads: t.join()
print("threads", total[0])
event = threading.Event(); threading.Timer(0.05, event.set).start(); print("timer", event.wait(20))
with concurrent.futures.ThreadPoolExecutor(4) as pool: print("pool", sum(pool.map(square, range(100))))

done = subprocess.run(["/bin/sh", "-c", "cat; echo err >&2; exit 3"], input=b"in", capture_output=True)
print("subprocess", done.returncode, done.stdout, done.stderr)
try: subprocess.run(["sleep", "9"], timeout=0.2)
except subprocess.TimeoutExpired: print("timed out")
child = subprocess.Popen(["sleep", "50"]); child.send_signal(signal.SIGINT); print("signalled", child.wait())
print("many", sum(p.wait() for p in [subprocess.Popen(["sh", "-c", f"exit {i % 3}"]) for i in range(6)]))

async def client(port, n):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{n}\n".encode()); answer = await reader.readline(); writer.close(); return int(answer)
async def main():
    async def serve(reader, writer):
        writer.write(f"{int(await reader.readline()) * 2}\n".encode()); await writer.drain(); writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print("asyncio", sum(await asyncio.gather(*(client(port, n) for n in range(20)))))
    process = await asyncio.create_subprocess_exec("echo", "async", stdout=asyncio.subprocess.PIPE)
    print((await process.communicate())[0], process.returncode); server.close()
    try: await asyncio.wait_for(asyncio.sleep(5), 0.1)
    except asyncio.TimeoutError: print("late")
asyncio.run(main())

def worker(box, out, n):
    box.value += 0
    with box.get_lock(): box.value += n
    out.put(n)
if True:
    box, out = multiprocessing.Value("i", 0), multiprocessing.Queue()
    ps = [multiprocessing.Process(target=worker, args=(box, out, n)) for n in range(4)]
    for p in ps: p.start()
    print("queue", sorted(out.get(timeout=60) for _ in ps))
    for p in ps: p.join()
    print("shared", box.value, [p.exitcode for p in ps])
    with multiprocessing.Pool(3) as pool: print("pool", pool.map(square, range(10)))
    here, there = multiprocessing.Pipe(); there.send({"a": [1, 2]}); print(here.recv())

caught = []
signal.signal(signal.SIGALRM, lambda *a: caught.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.05)
signal.sigtimedwait if False else time.sleep(0.3); print("alarm", caught)
a, b = socket.socketpair(); b.sendall(b"x" * 100000) if False else b.send(b"pair"); print(a.recv(10), select.select([a], [], [], 0)[0])
left, right = socket.socketpair(socket.AF_UNIX)
with tempfile.TemporaryFile() as file:
    file.write(b"passed"); file.flush(); socket.send_fds(left, [b"f"], [file.fileno()])
message, fds, *_ = socket.recv_fds(right, 10, 1); os.lseek(fds[0], 0, 0); print(message, os.read(fds[0], 10))
with open("map", "w+b") as file:
    file.truncate(8192); view = mmap.mmap(file.fileno(), 8192); view[4096:4101] = b"bytes"; view.flush(); file.seek(4096); print(file.read(5))
db = sqlite3.connect("db"); db.execute("create table t(n)"); db.executemany("insert into t values(?)", [(n,) for n in range(100)]); db.commit()
print("sqlite", db.execute("select sum(n) from t").fetchone(), zlib.crc32(b"abc"), hashlib.sha256(b"").hexdigest()[:8])
print(json.dumps({"pi": 3.25, "l": [None, True]}), re.sub(r"(\w)(\w)", r"\2\1", "abcd"), ctypes.CDLL(None).abs(-3))
print("fds", sorted(int(n) for n in os.listdir("/proc/self/fd"))[:3], os.path.basename(os.readlink("/proc/self/exe"))[:6])
r, w = os.pipe(); pid = os.fork()
if pid == 0: os.write(w, b"child"); os._exit(7)
print(os.read(r, 9), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.sched_getaffinity(0) == set(range(os.cpu_count())))
async def ends(code):
    child = await asyncio.create_subprocess_exec("sh", "-c", f"read line; exit {code}", stdin=asyncio.subprocess.PIPE)
    await asyncio.sleep(0.05); child.stdin.write(b"go\n"); return await child.wait()
async def several(): return await asyncio.gather(*(ends(n) for n in range(4)))
asyncio.set_child_watcher(asyncio.PidfdChildWatcher()); print("by descriptor", asyncio.run(several()))
signal.signal(signal.SIGUSR1, lambda *a: print("sent to itself")); signal.pidfd_send_signal(os.pidfd_open(os.getpid()), signal.SIGUSR1)
print("large", len(bytes(50_000_000)), sum(range(10 ** 5)))
END
