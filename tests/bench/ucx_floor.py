"""Raw UCX between two processes of this machine: the least that a message or a put can cost here.

`ucx_perftest` polls and never sleeps, so this is below what daemons that sleep can reach. Its own
figure is half a round trip (of a get: all of it), the median.
"""
import os
import socket
import subprocess
import time

TRANSPORTS = {"tcp": {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "lo"}, "mapped": {"UCX_TLS": "posix,self"}}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def round_trip_us(test, transport, size=64, count=5000):
    return 2 * one_way_us(test, transport, size, count)


def one_way_us(test, transport, size=64, count=5000):
    """`test`: ucp_am_lat, ucp_put_lat or ucp_get; `transport`: a name of TRANSPORTS."""
    return _final(test, transport, size, count)[0]


def sleeping_bandwidth(test, size, count=300):
    """MB/s over TCP between two processes that sleep when nothing is to be done."""
    return _final(test, "tcp", size, count, "-E", "sleep")[4] * 1.048576


def _final(test, transport, size, count, *more):
    """Numbers of the last line: latency (median, average, overall), bandwidth in MiB/s (average, overall), rate."""
    environment = dict(os.environ, **TRANSPORTS[transport])
    for _ in range(5):  # the server takes a while to listen, and serves one client
        port = str(free_port())
        server = subprocess.Popen(["ucx_perftest", "-p", port], env=environment, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            words = ["ucx_perftest", "127.0.0.1", "-p", port, "-t", test, "-s", str(size), "-n", str(count),
                     "-w", "50" if more else "500", "-O", "1", *more]
            done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
        finally:
            server.kill()
            server.wait()
        final = [line.split() for line in done.stdout.splitlines() if line.startswith("Final:")]
        if done.returncode == 0 and final:
            return [float(number) for number in final[0][2:]]
    raise RuntimeError(f"ucx_perftest {test} over {transport}: {done.stdout}{done.stderr}")
