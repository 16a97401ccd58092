# A threaded java program: pools, locks, files, sockets, a child process, collections under pressure.
cat > Work.java <<'END'
import java.io.*; import java.net.*; import java.nio.file.*; import java.util.*; import java.util.concurrent.*; import java.util.concurrent.atomic.*; import java.util.stream.*;
public class Work {
  static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
  public static void main(String[] args) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4);
    List<Future<Integer>> all = new ArrayList<>();
    for (int i = 0; i < 12; i++) { final int n = i + 8; all.add(pool.submit(() -> fib(n))); }
    int sum = 0; for (Future<Integer> f : all) sum += f.get();
    System.out.println("pool " + sum);
    AtomicLong count = new AtomicLong(); Thread[] threads = new Thread[8]; Object lock = new Object(); int[] plain = {0};
    for (int i = 0; i < 8; i++) { threads[i] = new Thread(() -> { for (int j = 0; j < 1000; j++) { count.incrementAndGet(); synchronized (lock) { plain[0]++; } } }); threads[i].start(); }
    for (Thread t : threads) t.join();
    System.out.println("threads " + count + " " + plain[0]);
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getByName("127.0.0.1"))) {
      Future<String> answer = pool.submit(() -> { try (Socket s = new Socket("127.0.0.1", server.getLocalPort())) { s.getOutputStream().write("ping\n".getBytes()); return new BufferedReader(new InputStreamReader(s.getInputStream())).readLine(); } });
      try (Socket s = server.accept()) { String line = new BufferedReader(new InputStreamReader(s.getInputStream())).readLine(); s.getOutputStream().write((line + " pong\n").getBytes()); }
      System.out.println(answer.get()); }
    Files.write(Path.of("f"), IntStream.range(0, 1000).mapToObj(Integer::toString).collect(Collectors.toList()));
    System.out.println("lines " + Files.readAllLines(Path.of("f")).size());
    Process child = new ProcessBuilder("sh", "-c", "cat; exit 3").start(); child.getOutputStream().write("child\n".getBytes()); child.getOutputStream().close();
    System.out.println(new BufferedReader(new InputStreamReader(child.getInputStream())).readLine() + " " + child.waitFor());
    long bytes = 0; for (int i = 0; i < 400; i++) bytes += new byte[1 << 20].length; System.gc(); System.out.println("garbage " + bytes);
    int[] a = null; try { System.out.println(a[3]); } catch (NullPointerException e) { System.out.println("null"); }
    try { deep(0); } catch (StackOverflowError e) { System.out.println("deep"); }
    pool.shutdown(); System.out.println(pool.awaitTermination(20, TimeUnit.SECONDS)); System.exit(4);
  }
  static int deep(int n) { return deep(n + 1) + 1; }
}
END
# One compiler only: the second replaces what the first made by patching its entry while other CPUs run it.
# Processors are made for that; QEMU 7.2's emulation is not. A loop that changes an entry by whole stores and
# calls it from another CPU sees halves of both instructions there, and the older one for ever, on Linux as here.
javac -J-Xmx256m -J-XX:TieredStopAtLevel=1 -J-Xshare:auto Work.java && java -XX:TieredStopAtLevel=1 -Xmx256m Work; echo "status $?"
