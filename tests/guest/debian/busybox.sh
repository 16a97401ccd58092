# Applets of the static shell, through pipes and files.
B=/usr/bin/busybox
$B sh -c 'f() { echo "f $1"; }; f a; for i in $(/usr/bin/busybox seq 3); do echo -n "$i "; done; echo; echo $((7*6))'
$B seq 1 50 | $B awk '{ s += $1 } END { print s }'
$B printf 'b\na\nc\n' | $B sort -r | $B tr a-z A-Z | $B paste -s -d, -
$B mkdir -p d/e && $B echo text > d/e/f && $B cp -r d g && $B find g -type f | $B xargs $B cat
$B tar czf d.tar.gz d && $B rm -r d && $B tar xzf d.tar.gz && $B cat d/e/f
$B sed -n 's/t\(.\)x/\1/p' d/e/f
$B dd if=/dev/zero bs=1k count=64 2>/dev/null | $B md5sum
$B ln -s d l && $B readlink l && $B ls -1 d && $B stat -c '%F %s %a' d/e/f
$B echo hello | $B hexdump -C
$B sh -c 'trap "echo caught" USR1; kill -USR1 $$; echo after'
$B sh -c 'sleep 5 & kill $!; wait $!; echo $?'
$B mkfifo p && { $B cat p & $B echo through > p; wait; }
$B vi -h 2>&1 | $B head -1 | $B cut -c1-8
