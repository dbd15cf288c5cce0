/* A preloaded library between a program and its disk: it records what the program does to the
 * files beneath one folder, and makes chosen calls fail. It can set the program's clock as well.
 *
 * FAULT_ROOT   the folder; only what lies beneath it is looked at
 * FAULT_TRACE  the file that every call is appended to, in order; none: nothing is recorded
 * FAULT_MARKS  a file outside: what is written to it becomes a mark in the trace
 * FAULT_AT     the number, from 1, of the call that fails first; none: none fails
 * FAULT_ON     which calls are counted, by the letters below; none: all
 * FAULT_ERRNO  what the failing call says
 * FAULT_MODE   once: that one call fails. sticky: every counted call fails from then on.
 *              short: that one writes half and says so, then as sticky.
 *              torn: that one writes half and fails, then as once.
 *              slow: that one fails only after 300 ms, during which others go on; then as sticky.
 * FAULT_CLOCK  what the wall clock shows when the process begins, in seconds since 1970
 * FAULT_CONTROL  a file outside that is looked at all the while: two numbers of 64 bits, in this
 *              machine's order. By the first, in milliseconds, the wall clock is ahead. While the
 *              second is not zero there is no room: the first write is a half one that says so,
 *              and writes and new names fail from then on.
 *
 * A record: letter, then inode, offset and length of what follows, little-endian, then that.
 *   W write   T truncate (the length is in the offset)   C create file   D make folder
 *   R rename (two names, a zero byte between)   U remove file or folder
 *   S flush of a file   F flush of a folder   M mark   X a failure was made here, of the call
 *   whose letter follows; its number is in the offset
 * A call is recorded once it has been done, under a lock, so the order is the true one. What
 * sync_file_range does is not recorded: it promises nothing about a power loss. It can fail: r.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *marks, *counted, *mode;
static size_t root_len;
static int trace = -1, failure = 0, broken = 0;
static long fails_at = 0, calls = 0;
static time_t clock_ahead = 0;
static const struct { volatile int64_t ahead_ms, full; } *control;
static int was_full = 0;
/* The inode that the call at hand is about, where it is about one. */
static __thread uint64_t subject;

#define REAL(name) static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static ssize_t real_write(int fd, const void *bytes, size_t len) {
    REAL(write);
    return real(fd, bytes, len);
}

static void put(const void *bytes, size_t len) {
    const char *at = bytes;
    while (len > 0) {
        ssize_t done = real_write(trace, at, len);
        if (done <= 0) {
            static const char sorry[] = "shim: the trace cannot be written\n";
            real_write(2, sorry, sizeof sorry - 1);
            _exit(99);
        }
        at += done;
        len -= (size_t)done;
    }
}

static void record(char letter, uint64_t inode, uint64_t offset, const void *bytes, size_t len) {
    if (trace < 0) return;
    unsigned char head[25];
    uint64_t wide = len;
    head[0] = (unsigned char)letter;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &wide, 8);
    put(head, sizeof head);
    put(bytes, len);
}

static void refuse(const char *what) {
    fprintf(stderr, "shim: %s: this cannot be recorded\n", what);
    _exit(98);
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FAULT_CLOCK");
    if (text) clock_ahead = atol(text) - time(NULL);
    if ((text = getenv("FAULT_CONTROL"))) {
        REAL(open);
        int fd = real(text, O_RDONLY | O_CLOEXEC);
        void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) refuse(text);
        close(fd);
        control = at;
    }
    text = getenv("FAULT_ROOT");
    if (!text) return;
    root = text;
    root_len = strlen(root);
    marks = getenv("FAULT_MARKS");
    counted = getenv("FAULT_ON");
    mode = getenv("FAULT_MODE");
    if (!mode) mode = "once";
    if ((text = getenv("FAULT_AT"))) fails_at = atol(text);
    if ((text = getenv("FAULT_ERRNO"))) failure = atoi(text);
    if ((text = getenv("FAULT_TRACE"))) {
        REAL(open);
        trace = real(text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (trace < 0) refuse(text);
    }
}

static int beneath(const char *path) {
    return root && path && !strncmp(path, root, root_len)
        && (path[root_len] == '/' || path[root_len] == 0);
}

/* The path of a descriptor, if it lies beneath the root or is the file of marks. */
static const char *path_of(int fd, char *path) {
    if (!root || fd < 0) return NULL;
    int saved = errno;
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, 4095);
    errno = saved;
    if (len <= 0) return NULL;
    path[len] = 0;
    if (beneath(path) || (marks && !strcmp(path, marks))) return path;
    return NULL;
}

static int is_mark(const char *path) { return marks && !strcmp(path, marks); }

static uint64_t inode_of(int fd, int *is_folder) {
    struct stat meta;
    int saved = errno;
    if (fstat(fd, &meta)) refuse("fstat");
    errno = saved;
    if (is_folder) *is_folder = S_ISDIR(meta.st_mode);
    return (uint64_t)meta.st_ino;
}

enum turn { GO, FAIL, HALF, HALF_FAIL };

/* Counts a call and says whether it fails. The lock is held; a slow failure lets go of it. */
static enum turn turn(char letter) {
    if (control && !control->full) was_full = 0;
    if (control && control->full && strchr("WCD", letter)) {
        int first = !was_full;
        was_full = 1;
        failure = ENOSPC;
        return first && letter == 'W' ? HALF : FAIL;
    }
    if (!fails_at || (counted && !strchr(counted, letter))) return GO;
    calls++;
    if (broken) return FAIL;
    if (calls != fails_at) return GO;
    char said[2] = { letter, 0 };
    record('X', subject, (uint64_t)calls, said, 1);
    if (!strcmp(mode, "once")) return FAIL;
    if (!strcmp(mode, "torn")) return HALF_FAIL;
    broken = 1;
    if (!strcmp(mode, "short")) return letter == 'W' ? HALF : FAIL;
    if (!strcmp(mode, "slow")) {
        struct timespec span = { 0, 300000000 };
        broken = 0;
        pthread_mutex_unlock(&lock);
        nanosleep(&span, NULL);
        pthread_mutex_lock(&lock);
        broken = 1;
    }
    return FAIL;
}

#define GUARDED(letter, call) \
    pthread_mutex_lock(&lock); \
    if (turn(letter) != GO) { \
        pthread_mutex_unlock(&lock); \
        errno = failure; \
        return -1; \
    } \
    __typeof__(call) done = call; \
    int saved = errno

#define END() \
    pthread_mutex_unlock(&lock); \
    errno = saved; \
    return done

static ssize_t wrote(int fd, const char *path, const void *bytes, size_t len, off_t at,
                     ssize_t (*run)(int, const void *, size_t, off_t)) {
    pthread_mutex_lock(&lock);
    if (is_mark(path)) {
        record('M', 0, 0, bytes, len);
        pthread_mutex_unlock(&lock);
        return (ssize_t)len;
    }
    subject = inode_of(fd, NULL);
    enum turn what = turn('W');
    if (what == FAIL) {
        pthread_mutex_unlock(&lock);
        errno = failure;
        return -1;
    }
    size_t part = what == GO ? len : (len + 1) / 2;
    uint64_t offset = (uint64_t)at;
    if (at < 0) {
        struct stat meta;
        int appends = fcntl(fd, F_GETFL) & O_APPEND;
        if (appends && fstat(fd, &meta)) refuse("fstat");
        offset = (uint64_t)(appends ? meta.st_size : lseek(fd, 0, SEEK_CUR));
    }
    ssize_t done = run(fd, bytes, part, at);
    int saved = errno;
    if (done > 0) record('W', subject, offset, bytes, (size_t)done);
    pthread_mutex_unlock(&lock);
    if (what == HALF_FAIL) {
        errno = failure;
        return -1;
    }
    errno = saved;
    return done;
}

static ssize_t plain(int fd, const void *bytes, size_t len, off_t at) {
    (void)at;
    return real_write(fd, bytes, len);
}

static ssize_t placed(int fd, const void *bytes, size_t len, off_t at) {
    REAL(pwrite64);
    return real(fd, bytes, len, at);
}

ssize_t write(int fd, const void *bytes, size_t len) {
    char path[4096];
    if (!path_of(fd, path)) return real_write(fd, bytes, len);
    return wrote(fd, path, bytes, len, -1, plain);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at) {
    char path[4096];
    if (!path_of(fd, path)) return placed(fd, bytes, len, at);
    return wrote(fd, path, bytes, len, at, placed);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) {
    return pwrite64(fd, bytes, len, at);
}

/* A vector may be written in part: the first piece that holds something is a part. */
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    REAL(writev);
    char path[4096];
    if (!path_of(fd, path)) return real(fd, pieces, count);
    for (int at = 0; at < count; at++)
        if (pieces[at].iov_len > 0)
            return wrote(fd, path, pieces[at].iov_base, pieces[at].iov_len, -1, plain);
    return 0;
}

#define FORBIDDEN(name, result, params, args) \
    result name params { \
        REAL(name); \
        char path[4096]; \
        if (path_of(fd, path)) refuse(#name); \
        return real args; \
    }
FORBIDDEN(pwritev, ssize_t, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
FORBIDDEN(pwritev64, ssize_t, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at))
FORBIDDEN(fallocate, int, (int fd, int how, off_t at, off_t len), (fd, how, at, len))
FORBIDDEN(fallocate64, int, (int fd, int how, off64_t at, off64_t len), (fd, how, at, len))
FORBIDDEN(posix_fallocate, int, (int fd, off_t at, off_t len), (fd, at, len))
FORBIDDEN(posix_fallocate64, int, (int fd, off64_t at, off64_t len), (fd, at, len))
FORBIDDEN(sendfile64, ssize_t, (int fd, int in, off64_t *at, size_t n), (fd, in, at, n))

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t len, unsigned how) {
    REAL(copy_file_range);
    char path[4096];
    if (path_of(out, path)) refuse("copy_file_range");
    return real(in, from, out, to, len, how);
}

/* A store that maps its files to write them would escape all this. */
static void no_shared_map(int protection, int flags, int fd) {
    char path[4096];
    int shared = flags & MAP_SHARED;
    if (shared && (protection & PROT_WRITE) && path_of(fd, path)) refuse("mmap");
}

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
    REAL(mmap);
    no_shared_map(protection, flags, fd);
    return real(at, len, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t len, int protection, int flags, int fd, off64_t offset) {
    REAL(mmap64);
    no_shared_map(protection, flags, fd);
    return real(at, len, protection, flags, fd, offset);
}

static int opened(const char *path, int flags, mode_t bits, int (*run)(const char *, int, mode_t)) {
    if (!beneath(path)) return run(path, flags, bits);
    struct stat meta;
    pthread_mutex_lock(&lock);
    int fresh = (flags & O_CREAT) && lstat(path, &meta) != 0;
    int cuts = (flags & O_TRUNC) && !fresh;
    if ((fresh && turn('C') != GO) || (cuts && turn('T') != GO)) {
        pthread_mutex_unlock(&lock);
        errno = failure;
        return -1;
    }
    int fd = run(path, flags, bits);
    int saved = errno;
    if (fd >= 0 && fresh) record('C', inode_of(fd, NULL), 0, path, strlen(path));
    if (fd >= 0 && cuts) record('T', inode_of(fd, NULL), 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

static int open_plain(const char *path, int flags, mode_t bits) {
    REAL(open64);
    return real(path, flags, bits);
}

#define BITS() \
    mode_t bits = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        bits = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open64(const char *path, int flags, ...) {
    BITS();
    return opened(path, flags, bits, open_plain);
}

int open(const char *path, int flags, ...) {
    BITS();
    return opened(path, flags, bits, open_plain);
}

int openat64(int folder, const char *path, int flags, ...) {
    BITS();
    REAL(openat64);
    char base[4096];
    int makes = flags & (O_CREAT | O_TRUNC);
    if (makes && path[0] == '/') return opened(path, flags, bits, open_plain);
    if (makes && path_of(folder, base)) refuse("openat");
    return real(folder, path, flags, bits);
}

int openat(int folder, const char *path, int flags, ...) {
    BITS();
    return openat64(folder, path, flags, bits);
}

int ftruncate64(int fd, off64_t len) {
    REAL(ftruncate64);
    char path[4096];
    if (!path_of(fd, path) || is_mark(path)) return real(fd, len);
    GUARDED('T', real(fd, len));
    if (!done) record('T', inode_of(fd, NULL), (uint64_t)len, NULL, 0);
    END();
}

int ftruncate(int fd, off_t len) { return ftruncate64(fd, len); }

int rename(const char *from, const char *to) {
    REAL(rename);
    if (!beneath(from) && !beneath(to)) return real(from, to);
    char both[8192];
    size_t first = strlen(from) + 1, second = strlen(to);
    if (first + second > sizeof both) refuse("rename");
    memcpy(both, from, first);
    memcpy(both + first, to, second);
    GUARDED('R', real(from, to));
    if (!done) record('R', 0, 0, both, first + second);
    END();
}

int mkdir(const char *path, mode_t bits) {
    REAL(mkdir);
    if (!beneath(path)) return real(path, bits);
    GUARDED('D', real(path, bits));
    if (!done) record('D', 0, 0, path, strlen(path));
    END();
}

int unlink(const char *path) {
    REAL(unlink);
    if (!beneath(path)) return real(path);
    GUARDED('U', real(path));
    if (!done) record('U', 0, 0, path, strlen(path));
    END();
}

int rmdir(const char *path) {
    REAL(rmdir);
    if (!beneath(path)) return real(path);
    GUARDED('U', real(path));
    if (!done) record('U', 0, 0, path, strlen(path));
    END();
}

int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat);
    char base[4096];
    if (beneath(path) || path_of(folder, base)) refuse("unlinkat");
    return real(folder, path, flags);
}

static int flushed(int fd, const char *path, int (*run)(int)) {
    int is_folder;
    subject = inode_of(fd, &is_folder);
    GUARDED('S', run(fd));
    if (!done) record(is_folder ? 'F' : 'S', subject, 0, path, strlen(path));
    END();
}

int fsync(int fd) {
    REAL(fsync);
    char path[4096];
    if (!path_of(fd, path) || is_mark(path)) return real(fd);
    return flushed(fd, path, real);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    char path[4096];
    if (!path_of(fd, path) || is_mark(path)) return real(fd);
    return flushed(fd, path, real);
}

int sync_file_range(int fd, off64_t at, off64_t len, unsigned flags) {
    REAL(sync_file_range);
    char path[4096];
    if (!path_of(fd, path)) return real(fd, at, len, flags);
    GUARDED('r', real(fd, at, len, flags));
    END();
}

int clock_gettime(clockid_t which, struct timespec *now) {
    REAL(clock_gettime);
    int done = real(which, now);
    if (done || which != CLOCK_REALTIME) return done;
    now->tv_sec += clock_ahead;
    if (control) {
        int64_t ahead = control->ahead_ms;
        now->tv_sec += ahead / 1000;
        now->tv_nsec += ahead % 1000 * 1000000;
        if (now->tv_nsec < 0) now->tv_sec--, now->tv_nsec += 1000000000;
        if (now->tv_nsec >= 1000000000) now->tv_sec++, now->tv_nsec -= 1000000000;
    }
    return done;
}
