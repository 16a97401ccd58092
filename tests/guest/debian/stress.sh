# stress-ng's stressors, few operations each (the long form: a second each, and more of them).
export TMPDIR=$PWD
names="cpu vm fork pipe futex hdd mmap sock signal"
for one in $names; do
  case $one in cpu) ops=4;; vm) ops=3000;; fork) ops=30;; pipe) ops=2000;; futex) ops=500;; hdd) ops=40;; mmap) ops=2;; sock) ops=2;; signal) ops=1000;; esac
  extra=; [ $one = vm ] && extra="--vm-bytes 8m"; [ $one = hdd ] && extra="--hdd-bytes 1m"; [ $one = mmap ] && extra="--mmap-bytes 2m"
  timeout 60 stress-ng -q --$one 1 --$one-ops $ops $extra > out 2>&1; echo "$one $?"
done
if [ "$LONG" = 1 ]; then
  for one in eventfd epoll fifo poll timerfd sem sem-sysv msg shm shm-sysv switch clone vfork pthread mq-none dentry dir rename link symlink flock lockf malloc mremap mprotect madvise memfd socketpair sockfd udp sigq sigfd itimer timer nanosleep wait kill zombie exec getdent utime chmod access seek io iomix sendfile splice tee vm-splice inotify yield sysinfo prctl procfs sysfs; do
    [ $one = mq-none ] && continue
    timeout 60 stress-ng -q --$one 2 --timeout 2 > out 2>&1; echo "$one $?"
  done
fi
