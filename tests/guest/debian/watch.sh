# Files and folders watched: inotifywait, tail -f, and Python's own over the same calls.
mkdir folder
inotifywait -m -e create,modify,close_write,moved_from,moved_to,delete,attrib --format '%e %f' folder > log 2> said & watcher=$!
until grep -q established said; do sleep 0.1; done
touch folder/a; echo text >> folder/a; mv folder/a folder/b; mv folder/b .; mv b folder/c; chmod 600 folder/c; mkdir folder/d; rmdir folder/d; rm folder/c
until grep -q 'DELETE c' log; do sleep 0.1; done; kill $watcher; wait $watcher 2> /dev/null; cat log
mkdir -p tree/one/two; inotifywait -q -r -m -e create --format '%w%f' tree > log & watcher=$!
sleep 1; touch tree/one/two/x; mkdir tree/new; sleep 1; touch tree/new/y
for i in 1 2 3 4 5 6 7 8 9; do [ "$(wc -l < log)" -ge 3 ] || sleep 0.3; done; kill $watcher; wait $watcher 2> /dev/null; sort log
inotifywait -q -t 1 folder; echo "nothing $?"
(sleep 0.5; echo x >> watched) & touch watched; inotifywait -q -t 20 -e close_write watched; echo $?; wait
# A log that is written, cut off and replaced.
echo one > log.txt; tail -n +1 -f log.txt > out 2> err & t=$!
until grep -q one out; do sleep 0.1; done; echo two >> log.txt; until grep -q two out; do sleep 0.1; done; echo three >> log.txt; until grep -q three out; do sleep 0.1; done; kill $t; wait $t 2> /dev/null; cat out err
tail -n +1 -F log.txt > out 2> err & t=$!
until grep -q three out; do sleep 0.1; done; mv log.txt log.1; echo new > log.txt; until grep -q new out; do sleep 0.1; done; echo more >> log.txt; until grep -q more out; do sleep 0.1; done; kill $t; wait $t 2> /dev/null; cat out
/usr/bin/python3 - <<'END'
import ctypes, os, select, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
os.mkdir("py")
wd = libc.inotify_add_watch(fd, b"py", 0x100 | 0x8)
def work():
    for i in range(200):
        with open(f"py/{i}", "w") as f: f.write("x" * i)
threads = [threading.Thread(target=work) for _ in range(1)]
for t in threads: t.start()
seen = []
poll = select.epoll(); poll.register(fd, select.EPOLLIN)
while len(seen) < 400 and poll.poll(20):
    data = os.read(fd, 4096)
    while data:
        w, mask, cookie, size = struct.unpack_from("iIII", data)
        seen.append((mask, data[16:16 + size].rstrip(b"\0").decode())); data = data[16 + size:]
for t in threads: t.join()
print(len(seen), seen == [(m, str(i)) for i in range(200) for m in (0x100, 8)])
END
