# A redis server on TCP and a local socket, its client and its benchmark.
redis-server --port 7391 --unixsocket "$PWD/s" --save '' --daemonize no --dir . > log 2>&1 &
server=$!
for i in $(seq 100); do redis-cli -p 7391 ping > /dev/null 2>&1 && break; sleep 0.2; done
R="redis-cli -p 7391"
$R set key value; $R get key; $R incrby n 41; $R incr n; $R lpush l a b c; $R lrange l 0 -1; $R hset h f 1 g 2; $R hgetall h; $R zadd z 2 two 1 one; $R zrange z 0 -1
redis-cli -s s get key; $R eval 'return {KEYS[1], redis.call("get", "n")}' 1 k; $R multi; (printf 'multi\nincr n\nexec\n') | $R; $R expire key 100; $R ttl key | awk '{ print ($1 > 90) }'
$R subscribe chan > sub & sub=$!; sleep 1; $R publish chan hello; for i in $(seq 50); do grep -q hello sub && break; sleep 0.1; done; tail -1 sub; kill $sub; wait $sub 2>/dev/null
$R bgsave; for i in $(seq 100); do [ "$($R info persistence | grep -c rdb_bgsave_in_progress:0)" = 1 ] && [ -s dump.rdb ] && break; sleep 0.2; done; [ -s dump.rdb ] && echo saved
requests=$((LONG ? 100000 : 3000))
redis-benchmark -p 7391 -q -n $requests -c 20 -t set,get,lpush,ping_inline 2>&1 | tr '\r' '\n' | grep -E 'requests per second' | cut -d: -f1
redis-benchmark -s s -q -n $requests -c 5 -P 8 -t incr 2>&1 | tr '\r' '\n' | grep 'requests per second' | cut -d: -f1
$R dbsize | awk '{ print ($1 >= 5) }'; $R shutdown nosave; wait $server; echo "ended $?"
