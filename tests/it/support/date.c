/* Sets the date of one process, as an operator would that of the machine: time goes on passing as it does. The file that
   DATE_STEP names holds the seconds. Preloaded by tests. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, id, time);
    if (result == 0 && id == CLOCK_REALTIME) {
        char text[32] = {0};
        const char *name = getenv("DATE_STEP");
        int file = name ? open(name, O_RDONLY) : -1;
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0) time->tv_sec += atol(text);
            close(file);
        }
    }
    return result;
}
