/* Preloaded before libfaketime, which shifts the absolute time of every timerfd by the step of the clock, also of those
 * on a monotonic clock: they would never fire, as on no machine whose wall clock steps. Those go to the kernel as they are;
 * those on the wall clock go on to libfaketime. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAXIMUM_DESCRIPTORS (1 << 20)
static unsigned char is_wall[MAXIMUM_DESCRIPTORS];

int timerfd_create(clockid_t clock, int flags) {
    int descriptor = syscall(SYS_timerfd_create, clock, flags);
    if (descriptor >= 0 && descriptor < MAXIMUM_DESCRIPTORS)
        is_wall[descriptor] = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
    return descriptor;
}

int timerfd_settime(int descriptor, int flags, const struct itimerspec *new, struct itimerspec *old) {
    if (descriptor >= 0 && descriptor < MAXIMUM_DESCRIPTORS && is_wall[descriptor]) {
        int (*next)(int, int, const struct itimerspec *, struct itimerspec *) = dlsym(RTLD_NEXT, "timerfd_settime");
        return next(descriptor, flags, new, old);
    }
    return syscall(SYS_timerfd_settime, descriptor, flags, new, old);
}
