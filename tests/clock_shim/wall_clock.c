/* Moves the wall clock of one process by an offset in nanoseconds that lies in a shared file, so that a test can step
 * it while the process runs. The steady clocks, sleeps and the times of files stay as they are. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static const volatile int64_t *offset;

__attribute__((constructor)) static void open_offset(void)
{
    const char *path = getenv("WALL_CLOCK_OFFSET");
    if (path == NULL)
        return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED)
        offset = page;
}

static int shifted(clockid_t clock, struct timespec *at)
{
    int result = (int)syscall(SYS_clock_gettime, clock, at);
    if (result != 0 || offset == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return result;
    int64_t whole = at->tv_nsec + *offset % SECOND;
    int64_t carry = whole < 0 ? -1 : whole / SECOND;
    at->tv_sec += *offset / SECOND + carry;
    at->tv_nsec = whole - carry * SECOND;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    return shifted(clock, at);
}

time_t time(time_t *into)
{
    struct timespec at;
    shifted(CLOCK_REALTIME, &at);
    if (into != NULL)
        *into = at.tv_sec;
    return at.tv_sec;
}

int gettimeofday(struct timeval *restrict into, void *restrict zone)
{
    struct timespec at;
    (void)zone;
    if (shifted(CLOCK_REALTIME, &at) != 0)
        return -1;
    into->tv_sec = at.tv_sec;
    into->tv_usec = at.tv_nsec / 1000;
    return 0;
}
