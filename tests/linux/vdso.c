/* The clocks without a system call: the shared object, its names, and that they agree with the calls. */
#include "check.h"
#include <link.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
static const ElfW(Ehdr) * image;
static void* find(const char* name) {
  const ElfW(Phdr)* headers = (const void*)((const char*)image + image->e_phoff);
  ElfW(Addr) base = 0;
  const ElfW(Dyn)* dynamic = NULL;
  for (int i = 0; i < image->e_phnum; ++i) {
    if (headers[i].p_type == PT_LOAD) base = (ElfW(Addr))image + headers[i].p_offset - headers[i].p_vaddr;
    if (headers[i].p_type == PT_DYNAMIC)
      dynamic = (const void*)((const char*)image + headers[i].p_offset);
  }
  const char* names = NULL;
  const ElfW(Sym)* symbols = NULL;
  const ElfW(Word)* hash = NULL;
  for (; dynamic && dynamic->d_tag != DT_NULL; ++dynamic) {
    const void* at = (const void*)(base + dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_STRTAB) names = at;
    if (dynamic->d_tag == DT_SYMTAB) symbols = at;
    if (dynamic->d_tag == DT_HASH) hash = at;
  }
  if (!names || !symbols || !hash) return NULL;
  for (ElfW(Word) i = 0; i < hash[1]; ++i)
    if (symbols[i].st_shndx && !strcmp(names + symbols[i].st_name, name))
      return (void*)(base + symbols[i].st_value);
  return NULL;
}
static long long ns(struct timespec time) {
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}
static int each(struct dl_phdr_info* info, size_t size, void* found) {
  (void)size;
  *(int*)found += info->dlpi_name && strstr(info->dlpi_name, "vdso") != NULL;
  return 0;
}
int main(void) {
  image = (const void*)getauxval(AT_SYSINFO_EHDR);
  printf("there: %d, ELF: %d\n", image != NULL, image && !memcmp(image->e_ident, ELFMAG, SELFMAG));
  if (!image) return 1;
  int loaded = 0;
  dl_iterate_phdr(each, &loaded);
  printf("known to the loader: %d\n", loaded);
  int (*get_time)(clockid_t, struct timespec*) = find("__vdso_clock_gettime");
  int (*get_resolution)(clockid_t, struct timespec*) = find("__vdso_clock_getres");
  int (*get_day)(struct timeval*, struct timezone*) = find("__vdso_gettimeofday");
  time_t (*get_seconds)(time_t*) = find("__vdso_time");
  printf("names: %d %d %d %d, unknown: %d\n", !!get_time, !!get_resolution, !!get_day, !!get_seconds,
         !!find("__vdso_nothing"));
  if (!get_time || !get_resolution || !get_day || !get_seconds) return 1;
  const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                              CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
  for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; ++i) {
    int wrong = 0, backwards = 0;
    struct timespec before, middle, after;
    for (int n = 0; n < 2000; ++n) {
      syscall(SYS_clock_gettime, clocks[i], &before);
      wrong += get_time(clocks[i], &middle) != 0 || middle.tv_nsec < 0 || middle.tv_nsec >= 1000000000;
      syscall(SYS_clock_gettime, clocks[i], &after);
      backwards += ns(before) > ns(middle) || ns(middle) > ns(after);
    }
    printf("clock %d: wrong %d, out of order %d\n", clocks[i], wrong, backwards);
  }
  struct timespec time, resolution;
  printf("no such clock: %d %d\n", get_time(99, &time), get_resolution(99, &time));
  printf("resolution: %d", get_resolution(CLOCK_MONOTONIC, &resolution));
  printf(" %ld %ld, nowhere: %d\n", (long)resolution.tv_sec, resolution.tv_nsec,
         get_resolution(CLOCK_MONOTONIC, NULL));
  struct timeval day;
  struct timezone zone = {7, 7};
  printf("day: %d", get_day(&day, &zone));
  printf(" %d %d, nowhere: %d\n", zone.tz_minuteswest, zone.tz_dsttime, get_day(NULL, NULL));
  time_t stored = 0, seconds = get_seconds(&stored);
  printf("seconds: %d, near the day's: %d\n", stored == seconds && get_seconds(NULL) >= seconds,
         llabs((long long)seconds - day.tv_sec) <= 1);
  return 0;
}
