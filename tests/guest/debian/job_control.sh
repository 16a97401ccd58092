# An interactive bash on a terminal of its own: stop, background, foreground, interrupt, window size.
/usr/bin/python3 - <<'END'
import fcntl, os, pty, re, select, struct, sys, termios, time
pid, master = pty.fork()
if pid == 0:
    os.environ.update(PS1="$ ", TERM="dumb", HISTFILE="", PS0="")
    os.execv("/usr/bin/bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
seen = ""
def until(pattern, limit=40):
    """What comes up to the pattern, behind what was taken before."""
    global seen
    end = time.monotonic() + limit
    while not (found := re.search(pattern, seen)):
        ready, _, _ = select.select([master], [], [], max(0, end - time.monotonic()))
        if not ready:
            print("never came:", pattern, repr(seen)); sys.exit(1)
        seen += os.read(master, 4096).decode().replace("\r\n", "\n")
    text, seen = seen[:found.end()], seen[found.end():]
    return text
def do(line, pattern, but=None):
    """But: what may come or not, as bash happens to see its jobs end before or after the line's own."""
    os.write(master, line.encode())
    text = until(pattern)
    if but:
        text = re.sub(but, "", text)
    print("--", re.sub(r"\[(\d)\] \d{2,}", r"[\1] PID", text).strip())
until(r"\$ $")
do("stty size\n", r"33 77\n\$ ")
do("sleep 1000\n", r"sleep 1000\n")
time.sleep(0.5)
do("\x1a", r"Stopped +sleep 1000\n\$ ")
do("jobs\n", r"sleep 1000\n\$ ")
do("bg\n", r"sleep 1000 &\n\$ ")
do("jobs\n", r"Running.*\n\$ ")
do("fg\n", r"fg\nsleep 1000\n")
time.sleep(0.5)
do("\x03", r"\$ ")
do("echo status $?\n", r"status \d+\n\$ ")
do("cat\n", r"cat\n")
do("typed\n", r"typed\ntyped\n")
do("\x04", r"\$ ")
do("cat | (sleep 0.3; exit 3) ; echo end $?\n", r"exit 3\) ; echo end \$\?\n")
do("x\n\x04", r"end 3\n\$ ")
do("sleep 500 & sleep 600 &\n", r"\$ ")
do("kill %1 %2; wait; echo all gone\n", r"(?s)\nall gone\n(\[.*?)?\$ ", but=r"\[\d\].*Terminated.*\n")
do("jobs; echo none left\n", r"\nnone left\n\$ ", but=r"\[\d\].*Terminated.*\n")
do("tty | cut -d/ -f1-3\n", r"/dev/pts\n\$ ")
os.write(master, b"exit 5\n")
while True:
    try:
        if not os.read(master, 4096):
            break
    except OSError:
        break
print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
