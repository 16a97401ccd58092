# make and gcc build a program of several files, static and shared, with threads; its checks run.
for i in 1 2 3; do printf '#include "all.h"\nint part%d(int n) { return n * %d; }\n' $i $i > part$i.c; done
printf 'int part1(int); int part2(int); int part3(int);\n' > all.h
cat > main.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <math.h>
#include "all.h"
static void* run(void* n) { return (void*)(long)(part1((long)n) + part2((long)n) + part3((long)n)); }
int main(int argc, char** argv) {
  pthread_t t[4]; long sum = 0; void* r;
  for (long i = 0; i < 4; ++i) pthread_create(&t[i], 0, run, (void*)i);
  for (int i = 0; i < 4; ++i) { pthread_join(t[i], &r); sum += (long)r; }
  printf("%s %ld %.3f\n", argv[1], sum, sqrt(2.0 * argc)); return sum != 36; }
END
cat > Makefile <<'END'
CFLAGS = -O2 -Wall -pthread
objects = main.o part1.o part2.o part3.o
all: plain shared
plain: $(objects)
	$(CC) $(CFLAGS) -static -o $@ $^ -lm
libparts.so: part1.c part2.c part3.c
	$(CC) -shared -fPIC -o $@ $^
shared: main.c libparts.so
	$(CC) $(CFLAGS) -o $@ main.c -L. -lparts -Wl,-rpath,$(CURDIR) -lm
check: all
	./plain plain && ./shared shared
clean:
	rm -f *.o plain shared
$(objects): all.h
END
make -s -j2 check; echo "status $?"; make -s check; touch all.h; make -n plain | wc -l; echo 'int main() { return x; }' > bad.c; gcc bad.c 2>&1 | grep -c error; make -s clean; ls *.o 2>/dev/null || echo clean
if [ "$LONG" = 1 ]; then printf '#include <map>\n#include <iostream>\n#include <stdexcept>\nint main() { std::map<int,int> m{{1,2}}; try { m.at(5); } catch (std::out_of_range&) { std::cout << "thrown " << m[1] << std::endl; } }\n' > e.cc; g++ -O1 e.cc -o e && ./e; fi
