# The shell itself: substitutions that need /dev/fd and fifos, traps, coprocesses, redirections, limits.
declare -A map=([one]=1 [two]=2); list=(x y "z w")
echo "${map[one]} ${#list[@]} ${list[2]}" "${list[@]/y/q}"
diff <(printf '1\n2\n') <(printf '1\n3\n')
tee >(tr a-z A-Z > upper) > /dev/null <<< "substituted"; for i in {1..50}; do [ -s upper ] && break; sleep 0.1; done; cat upper
cat <<EOT | sed 's/^/> /'
here $((1 + 2)) $(echo doc)
EOT
coproc doubler { while read -r n; do echo $((n * 2)); done; }; feeder=${doubler[1]}
echo 21 >&"$feeder"; read -r answer <&"${doubler[0]}"; echo "$answer"; exec {feeder}>&-
exec 5>file; echo five >&5; echo more > /dev/fd/5; exec 5>&-; cat file
[[ -e /dev/fd/0 ]] && [[ ! -e /dev/fd/99 ]] && echo descriptors
echo out > /dev/stdout; echo err 2>&1 > /dev/stderr
(trap 'echo leaving' EXIT; trap 'echo term' TERM; kill -TERM $BASHPID; exit 4); echo "status $?"
(sleep 0.2; exit 6) & wait -n; echo "first $?"; sleep 9 & kill $!; wait $! 2> /dev/null; echo "killed $?"
set -o pipefail; false | true; echo "pipefail $?"
mkfifo ff; (echo from the fifo > ff) & read -r line < ff; echo "$line"; wait
read -r -t 0.1 nothing < <(sleep 1); echo "read timed out $(($? > 128))"
[[ "2026-11-29" =~ ^([0-9]+)-([0-9]+) ]] && echo "${BASH_REMATCH[2]}"
printf '%q %05d %s\n' "a b" 42 "$(printf '\u00e9' | wc -c)"
ulimit -n 256; ulimit -n; ulimit -S -c; ulimit -Sn 64; bash -c 'ulimit -n; exec 70</dev/null' 2>/dev/null || echo "no such descriptor"
(ulimit -f 1; head -c 5000 /dev/zero > big) 2> /dev/null; echo "status $?"; stat -c %s big
time_format=$(TIMEFORMAT=%R; { time :; } 2>&1); [[ $time_format =~ ^0 ]] && echo timed
mapfile -t lines < <(seq 5); echo "${#lines[@]} ${lines[-1]}"
echo "$BASH_VERSION" | cut -d. -f1
