# tmux: a session with two windows and a split, keys sent, the screens as seen.
export TMUX_TMPDIR=$PWD TERM=screen LC_ALL=C.UTF-8
T="tmux -f /dev/null"
$T new-session -d -s s -x 60 -y 12 'PS1="> " exec bash --norc --noprofile' || exit 1
see() { for i in $(seq 100); do $T capture-pane -p -t "$1" | grep -q "$2" && break; sleep 0.1; done; $T capture-pane -p -t "$1" | grep "$2" | head -1; }
see s '^>'; $T send-keys -t s 'echo $((40 + 2)) answer' Enter; see s '42 answer'
$T send-keys -t s 'stty size' Enter; see s '^1[0-9] 60\|^12 60\|^11 60'
$T split-window -t s 'PS1="two> " exec bash --norc --noprofile'; see s.1 'two>'; $T list-panes -t s -F '#{pane_index} #{pane_width} #{pane_active}'
$T send-keys -t s.1 'sleep 100' Enter; sleep 0.5; $T send-keys -t s.1 C-c; $T send-keys -t s.1 'echo int $?' Enter; see s.1 '^int 130'
$T new-window -d -t s: -n other 'sleep 100'; $T list-windows -t s -F '#{window_index} #{window_panes}'; $T has-session -t s && echo session
$T set-buffer text; $T paste-buffer -t s:0.0; see s:0.0 text; $T kill-session -t s; $T ls 2>&1 | sed 's,[^ ]*/,,g' | cut -d' ' -f1-2
