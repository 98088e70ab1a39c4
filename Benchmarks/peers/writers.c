// Writers for the benchmarks: POST messages at a fixed rate. Each write is due at its own time, whatever the earlier ones
// wait for, and its wait counts from then; so a pause of the cluster is seen by all who would have written meanwhile.
//
// usage: writers HOST PORT TOKEN CHANNELS LENGTH DEADLINE
//
// CHANNELS: a file, one channel id a line; they are written to in turn, LENGTH characters each. DEADLINE: milliseconds
// that a writer waits for its answer. Connections are kept and opened as needed.
// Prints for each write, when it is answered or given up, "DUE TAKEN CHANNEL STATUS": the CLOCK_MONOTONIC time in
// nanoseconds when it was due, the nanoseconds from then to the answer, the channel's line (from 0) in the file, and the
// HTTP status; 0 when the connection broke, or no answer came in time.
// Reads commands from standard input:
//   rate N    writes a second from now on; 0 for none
//   stop      waits for all answers, and ends
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { connection_limit = 8192, answer_limit = 65536, channel_limit = 65536, events_per_wait = 256 };
// The router ends connections that are idle for 75 s; these are ended before.
static const uint64_t idle_nanoseconds = 30ull * 1000000000;

struct connection {
    int descriptor;  // -1: none
    int is_waiting;
    int channel;
    uint64_t due, used;
    size_t length;
    char answer[answer_limit];
};

static struct connection *connections[connection_limit];
static int connection_count, waiting_count;
// Indices of open connections without a write, the latest used last.
static int idle[connection_limit], idle_count;
static char *channels[channel_limit];
static int channel_count;
static struct sockaddr_in address;
static const char *host, *token;
static char *body;
static uint64_t deadline;
static int poller;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static void close_connection(struct connection *connection) {
    close(connection->descriptor);
    connection->descriptor = -1;
}

static void end_write(struct connection *connection, int status) {
    printf("%llu %llu %d %d\n", (unsigned long long)connection->due,
           (unsigned long long)(now_nanoseconds() - connection->due), connection->channel, status);
    connection->is_waiting = 0;
    waiting_count--;
}

static void forget_idle(int index) {
    for (int position = 0; position < idle_count; position++) {
        if (idle[position] != index) continue;
        memmove(idle + position, idle + position + 1, sizeof *idle * (size_t)(idle_count - position - 1));
        idle_count--;
        return;
    }
}

// An open connection without a write; its index, or -1 when none is to be had.
static int take_connection(void) {
    if (idle_count) return idle[--idle_count];
    int index = 0;
    while (index < connection_count && (connections[index]->descriptor >= 0 || connections[index]->is_waiting)) index++;
    if (index == connection_limit) return -1;
    if (index == connection_count) {
        connections[index] = calloc(1, sizeof **connections);
        if (!connections[index]) fail("calloc");
        connection_count++;
    }
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    connections[index]->descriptor = descriptor;
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address)) {
        close_connection(connections[index]);
        return -1;
    }
    int yes = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event)) fail("epoll_ctl");
    return index;
}

static void write_message(int channel, uint64_t due) {
    static char request[16384];
    int index = take_connection();
    if (index < 0) {
        printf("%llu %llu %d 0\n", (unsigned long long)due, (unsigned long long)(now_nanoseconds() - due), channel);
        return;
    }
    struct connection *connection = connections[index];
    connection->is_waiting = 1;
    connection->channel = channel;
    connection->due = due;
    connection->length = 0;
    waiting_count++;
    int length = snprintf(request, sizeof request,
                          "POST /api/v10/channels/%s/messages HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          channels[channel], host, token, strlen(body), body);
    if (send(connection->descriptor, request, (size_t)length, MSG_NOSIGNAL) != length) {
        close_connection(connection);
        end_write(connection, 0);
    }
}

// The status of a whole answer, 0 when it is not whole yet, -1 when it makes no sense.
static int status_of(struct connection *connection) {
    char *answer = connection->answer;
    answer[connection->length] = 0;
    char *end = strstr(answer, "\r\n\r\n");
    if (!end) return connection->length + 1 < answer_limit ? 0 : -1;
    char *length = strcasestr(answer, "content-length:");
    if (!length || length > end || strncmp(answer, "HTTP/1.1 ", 9)) return -1;
    size_t total = (size_t)(end + 4 - answer) + strtoul(length + 15, NULL, 10);
    if (total >= answer_limit || connection->length > total) return -1;
    return connection->length == total ? atoi(answer + 9) : 0;
}

static void receive(int index) {
    struct connection *connection = connections[index];
    if (connection->descriptor < 0) return;
    ssize_t count = recv(connection->descriptor, connection->answer + connection->length,
                         answer_limit - 1 - connection->length, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    int status = -1;
    if (count > 0 && connection->is_waiting) {
        connection->length += (size_t)count;
        status = status_of(connection);
        if (!status) return;
    }
    if (status > 0) {
        end_write(connection, status);
        connection->used = now_nanoseconds();
        idle[idle_count++] = index;
        return;
    }
    close_connection(connection);
    if (connection->is_waiting) end_write(connection, 0);
    else forget_idle(index);
}

// Gives up writes that have no answer in time, and ends connections that nobody has used for long.
static void sweep(uint64_t now) {
    for (int index = 0; index < connection_count; index++) {
        struct connection *connection = connections[index];
        if (connection->descriptor < 0) continue;
        if (connection->is_waiting && now - connection->due > deadline) {
            close_connection(connection);
            end_write(connection, 0);
        } else if (!connection->is_waiting && now - connection->used > idle_nanoseconds) {
            forget_idle(index);
            close_connection(connection);
        }
    }
    fflush(stdout);
}

static void read_channels(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    char line[64];
    while (fgets(line, sizeof line, file) && channel_count < channel_limit) {
        line[strcspn(line, "\n")] = 0;
        if (line[0]) channels[channel_count++] = strdup(line);
    }
    fclose(file);
    if (!channel_count) {
        fprintf(stderr, "%s names no channel\n", path);
        exit(1);
    }
}

static void make_body(size_t length) {
    static const char text[] = "what a night in the channel, tell the others to join the game before it is too late again. ";
    if (length < 1 || length > 2000) {
        fprintf(stderr, "LENGTH is 1 to 2000\n");
        exit(1);
    }
    body = malloc(length + 32);
    size_t begin = (size_t)sprintf(body, "{\"content\":\"");
    for (size_t position = 0; position < length; position++) body[begin + position] = text[position % (sizeof text - 1)];
    // Spaces at either end are cut off by the cluster.
    body[begin + length - 1] = '.';
    strcpy(body + begin + length, "\"}");
}

int main(int count, char **arguments) {
    if (count != 7) {
        fprintf(stderr, "usage: writers HOST PORT TOKEN CHANNELS LENGTH DEADLINE\n");
        return 2;
    }
    host = arguments[1];
    token = arguments[3];
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(arguments[2]));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail("HOST");
    read_channels(arguments[4]);
    make_body(strtoul(arguments[5], NULL, 10));
    deadline = strtoull(arguments[6], NULL, 10) * 1000000;
    poller = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    enum { input_key = -1, timer_key = -2 };
    struct epoll_event input = {.events = EPOLLIN, .data.u32 = (uint32_t)input_key};
    struct epoll_event tick = {.events = EPOLLIN, .data.u32 = (uint32_t)timer_key};
    if (timer < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, 0, &input) || epoll_ctl(poller, EPOLL_CTL_ADD, timer, &tick))
        fail("epoll_ctl");
    static char output[1 << 16];
    setvbuf(stdout, output, _IOFBF, sizeof output);

    double rate = 0;
    uint64_t begun = now_nanoseconds(), made = 0, turn = 0, swept = 0;
    int is_stopping = 0;
    while (!is_stopping || waiting_count) {
        uint64_t now = now_nanoseconds();
        if (now - swept >= 20000000) {
            sweep(now);
            swept = now;
        }
        uint64_t next = swept + 20000000;
        while (rate > 0) {
            uint64_t due = begun + (uint64_t)((double)made * 1e9 / rate);
            if (due > now) {
                if (due < next) next = due;
                break;
            }
            write_message((int)(turn++ % (uint64_t)channel_count), due);
            made++;
        }
        struct itimerspec alarm = {.it_value = {(time_t)(next / 1000000000), (long)(next % 1000000000)}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &alarm, NULL);
        struct epoll_event events[events_per_wait];
        int ready = epoll_wait(poller, events, events_per_wait, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int position = 0; position < ready; position++) {
            int key = (int)events[position].data.u32;
            if (key == timer_key) {
                uint64_t expirations;
                if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timer");
            } else if (key == input_key) {
                char line[64] = "";
                ssize_t length = read(0, line, sizeof line - 1);
                if (length <= 0 || !strncmp(line, "stop", 4)) {
                    is_stopping = 1;
                    rate = 0;
                    epoll_ctl(poller, EPOLL_CTL_DEL, 0, NULL);
                } else if (!strncmp(line, "rate ", 5)) {
                    rate = atof(line + 5);
                    begun = now_nanoseconds();
                    made = 0;
                }
            } else {
                receive(key);
            }
        }
    }
    fflush(stdout);
    return 0;
}
