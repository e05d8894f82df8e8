/* Writes down the calls by which a process saves one file, and lets the Nth of them fail or be the last thing that the
 * process does, or each of one kind fail. What to do stands in a shared page, so that a test can order it while the process runs. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOTHING, FAIL, DIE, BREAK };

static const char *const KINDS[] = {"link", "create", "write", "flush", "rename"};

struct orders {
    int64_t countdown; /* the call that brings it to 0 is the one; -1, -2, ...: every one of that kind */
    int64_t deed;
    int64_t done;
};

static struct orders *orders;
static int trace = -1;
static const char *wanted; /* part of the name of the file */
static const char *folder; /* the folder whose flush counts too */

__attribute__((constructor)) static void begin(void)
{
    const char *page = getenv("SAVE_CALLS_ORDERS");
    const char *log = getenv("SAVE_CALLS_TRACE");
    wanted = getenv("SAVE_CALLS_NAME");
    folder = getenv("SAVE_CALLS_FOLDER");
    if (page == NULL || log == NULL || wanted == NULL || folder == NULL)
        return;
    int file = open(page, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return;
    void *at = mmap(NULL, sizeof(struct orders), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    trace = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (at != MAP_FAILED)
        orders = at;
}

static void note(const char *call, const char *path)
{
    char line[600];
    const char *name = strrchr(path, '/');
    int size = snprintf(line, sizeof line, "%s %s\n", call, name ? name + 1 : path);
    if (size > 0 && size < (int)sizeof line && trace >= 0)
        (void)!syscall(SYS_write, trace, line, (size_t)size);
}

/* Says if this call is to fail; does not return where it is to be the last. */
static int refused(const char *call, const char *path)
{
    if (orders == NULL || path == NULL || (strstr(path, wanted) == NULL && strcmp(path, folder) != 0))
        return 0;
    if (orders->deed == BREAK) {
        int64_t kind = -__atomic_load_n(&orders->countdown, __ATOMIC_SEQ_CST) - 1;
        if (kind >= 0 && kind < (int64_t)(sizeof KINDS / sizeof *KINDS) && strcmp(KINDS[kind], call) == 0) {
            note("REFUSED", call);
            errno = EIO;
            return 1;
        }
    }
    int now = __atomic_load_n(&orders->countdown, __ATOMIC_SEQ_CST) > 0 &&
              __atomic_sub_fetch(&orders->countdown, 1, __ATOMIC_SEQ_CST) == 0;
    if (!now) {
        note(call, path);
        return 0;
    }
    note("REFUSED", call);
    __atomic_add_fetch(&orders->done, 1, __ATOMIC_SEQ_CST);
    if (orders->deed == DIE)
        kill(getpid(), SIGKILL);
    errno = EIO;
    return orders->deed == FAIL;
}

static const char *path_of(int file, char *into, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, into, size - 1);
    if (length < 0)
        return NULL;
    into[length] = 0;
    return into;
}

static int opened(int where, const char *path, int flags, mode_t mode)
{
    if ((flags & O_ACCMODE) != O_RDONLY && refused("create", path))
        return -1;
    return (int)syscall(SYS_openat, where, path, flags, mode);
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;                                      \
        va_end(rest);                                                                                                  \
        return opened(AT_FDCWD, path, flags, mode);                                                                    \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int file, const void *data, size_t size)
{
    char path[4096];
    if (orders != NULL && file > 2 && file != trace && refused("write", path_of(file, path, sizeof path)))
        return -1;
    return syscall(SYS_write, file, data, size);
}

int fsync(int file)
{
    char path[4096];
    if (refused("flush", path_of(file, path, sizeof path)))
        return -1;
    return (int)syscall(SYS_fsync, file);
}

int rename(const char *from, const char *to)
{
    if (refused("rename", to))
        return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int link(const char *from, const char *to)
{
    if (refused("link", to))
        return -1;
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    if (refused("link", to))
        return -1;
    return (int)syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
}
