// A swarm of WebSocket sessions for the benchmarks: opens them, identifies, counts the events that each receives.
//
// usage: swarm HOST PORT PATH SESSIONS [TOKENS]
//
// With TOKENS (a file, one token a line, used in turn) every session is a gateway session: it identifies, waits for
// READY and GUILD_CREATE, sends heartbeats, and only MESSAGE_CREATE events count. Where PATH asks for
// `compress=zlib-stream`, every session inflates its own stream. Without TOKENS, every text frame counts.
// Prints "ready SESSIONS" when all are up. Then reads commands from standard input:
//   expect K    the next K events at every session; prints "waiting" at once, then for each event
//               "event ORDINAL NANOSECONDS", the CLOCK_MONOTONIC time of its receipt by the last session, and
//               "done BYTES", the mean size of an event's frame as it came, header included.
//   heartbeat   every session sends one with its last sequence number; prints "done" when all are acknowledged.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { input_limit = 1 << 22, events_per_wait = 1024, heartbeat_seconds = 30, stall_seconds = 60 };

struct session {
    int descriptor;
    int is_upgraded, is_ready, has_guild;
    uint8_t *input;
    size_t length, capacity;
    uint32_t received;  // events of the current wait
    long sequence;      // `s` of the last dispatch
    z_stream *inflater;
};

static struct session *sessions;
static int session_count, poller, upgraded_count, ready_count;
static int is_gateway, is_compressed;
static uint64_t unacknowledged;         // heartbeats without their answer
static char **tokens;
static int token_count;
static uint32_t expected;           // events of the current wait; 0 when idle
static uint32_t *arrivals;          // sessions that have received the event, by ordinal
static uint64_t *last_arrival;      // when the last of them did
static uint64_t outstanding;        // receipts that the current wait still lacks
static uint64_t event_bytes;        // of the current wait's frames

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

// Sends a masked text frame; the mask is zero, which RFC 6455 allows to write and costs nothing.
static void send_text(struct session *session, const char *text) {
    size_t length = strlen(text);
    uint8_t frame[1024];
    size_t head = 2;
    if (length > sizeof frame - 16) fail("frame too long");
    frame[0] = 0x81;
    if (length < 126) {
        frame[1] = 0x80 | (uint8_t)length;
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t)(length >> 8);
        frame[3] = (uint8_t)length;
        head = 4;
    }
    memset(frame + head, 0, 4);
    memcpy(frame + head + 4, text, length);
    if (send(session->descriptor, frame, head + 4 + length, MSG_NOSIGNAL) < 0 && errno != EAGAIN) fail("send");
}

static void identify(struct session *session) {
    char text[640];
    const char *token = tokens[(session - sessions) % token_count];
    snprintf(text, sizeof text,
             "{\"op\":2,\"d\":{\"token\":\"%s\",\"intents\":33281,"
             "\"properties\":{\"os\":\"linux\",\"browser\":\"swarm\",\"device\":\"swarm\"}}}",
             token);
    send_text(session, text);
}

static void heartbeat(struct session *session) {
    char text[64];
    snprintf(text, sizeof text, "{\"op\":1,\"d\":%ld}", session->sequence);
    send_text(session, text);
    unacknowledged++;
}

static void count_event(struct session *session, size_t frame_bytes) {
    if (session->received >= expected) {
        fprintf(stderr, "an event that was not expected\n");
        exit(1);
    }
    uint32_t ordinal = session->received++;
    if (++arrivals[ordinal] == (uint32_t)session_count) last_arrival[ordinal] = now_nanoseconds();
    outstanding--;
    event_bytes += frame_bytes;
}

static int contains(const uint8_t *text, size_t length, const char *what) {
    return memmem(text, length, what, strlen(what)) != NULL;
}

static void receive_payload(struct session *session, const uint8_t *text, size_t length, size_t frame_bytes) {
    if (!is_gateway) {
        count_event(session, frame_bytes);
        return;
    }
    size_t head = length < 120 ? length : 120;
    if (head > 5 && !memcmp(text, "{\"s\":", 5)) session->sequence = strtol((const char *)text + 5, NULL, 10);
    if (contains(text, head, "\"MESSAGE_CREATE\"")) {
        count_event(session, frame_bytes);
    } else if (contains(text, head, "\"READY\"")) {
        session->is_ready = 1;
    } else if (contains(text, head, "\"GUILD_CREATE\"")) {
        if (session->is_ready && !session->has_guild) {
            session->has_guild = 1;
            ready_count++;
        }
    } else if (contains(text, head, "\"op\":11")) {
        unacknowledged--;
    } else if (contains(text, head, "\"op\":10")) {
        identify(session);
    }
}

// A message of the session's zlib stream; one ends with each frame.
static void receive_compressed(struct session *session, const uint8_t *bytes, size_t length, size_t frame_bytes) {
    static uint8_t plain[input_limit];
    if (!session->inflater) {
        session->inflater = calloc(1, sizeof *session->inflater);
        if (inflateInit(session->inflater) != Z_OK) fail("inflateInit");
    }
    z_stream *stream = session->inflater;
    stream->next_in = (uint8_t *)bytes;
    stream->avail_in = (uint32_t)length;
    stream->next_out = plain;
    stream->avail_out = sizeof plain;
    int result = inflate(stream, Z_SYNC_FLUSH);
    if (result != Z_OK || stream->avail_in || !stream->avail_out) {
        fprintf(stderr, "a stream cannot be inflated: %d %s\n", result, stream->msg ? stream->msg : "");
        exit(1);
    }
    receive_payload(session, plain, sizeof plain - stream->avail_out, frame_bytes);
}

// Consumes all whole frames of the input.
static void consume(struct session *session) {
    size_t at = 0;
    if (!session->is_upgraded) {
        uint8_t *end = memmem(session->input, session->length, "\r\n\r\n", 4);
        if (!end) return;
        if (memcmp(session->input, "HTTP/1.1 101", 12) != 0) {
            fwrite(session->input, 1, session->length, stderr);
            exit(1);
        }
        session->is_upgraded = 1;
        upgraded_count++;
        if (!is_gateway) ready_count++;
        at = (size_t)(end + 4 - session->input);
    }
    while (session->length - at >= 2) {
        uint8_t *frame = session->input + at;
        size_t length = frame[1] & 127, head = 2;
        if (length == 126) {
            head = 4;
            if (session->length - at < head) break;
            length = (size_t)frame[2] << 8 | frame[3];
        } else if (length == 127) {
            head = 10;
            if (session->length - at < head) break;
            length = 0;
            for (int i = 2; i < 10; i++) length = length << 8 | frame[i];
        }
        if (session->length - at < head + length) break;
        int opcode = frame[0] & 15;
        if (opcode == 1) {
            receive_payload(session, frame + head, length, head + length);
        } else if (opcode == 2 && is_compressed) {
            receive_compressed(session, frame + head, length, head + length);
        } else if (opcode == 8) {
            fprintf(stderr, "closed by the server: %d %.*s\n", length >= 2 ? frame[head] << 8 | frame[head + 1] : 0,
                    length > 2 ? (int)length - 2 : 0, frame + head + 2);
            exit(1);
        }
        at += head + length;
    }
    if (at > 0) {
        memmove(session->input, session->input + at, session->length - at);
        session->length -= at;
    }
    if (session->length == 0 && session->capacity > 65536) {
        free(session->input);
        session->input = NULL;
        session->capacity = 0;
    }
}

static void pump(int timeout_milliseconds) {
    static struct epoll_event events[events_per_wait];
    int count = epoll_wait(poller, events, events_per_wait, timeout_milliseconds);
    for (int i = 0; i < count; i++) {
        struct session *session = events[i].data.ptr;
        if (session->capacity - session->length < 8192) {
            size_t capacity = session->capacity ? session->capacity * 2 : 16384;
            if (capacity > input_limit) fail("a frame is too long");
            session->input = realloc(session->input, capacity);
            session->capacity = capacity;
        }
        ssize_t received =
            recv(session->descriptor, session->input + session->length, session->capacity - session->length, 0);
        if (received < 0) {
            if (errno == EAGAIN) continue;
            fail("recv");
        }
        if (received == 0) {
            fprintf(stderr, "a session's connection was closed\n");
            exit(1);
        }
        session->length += (size_t)received;
        consume(session);
    }
}

static void heartbeat_when_due(void) {
    static uint64_t next;
    uint64_t now = now_nanoseconds();
    if (!is_gateway || now < next) return;
    if (next)
        for (int i = 0; i < session_count; i++)
            if (sessions[i].is_ready) heartbeat(&sessions[i]);
    next = now + heartbeat_seconds * 1000000000ull;
}

static void open_sessions(const char *host, int port, const char *path) {
    char request[512];
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
             path, host, port);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail("host");
    for (int i = 0; i < session_count; i++) {
        struct session *session = &sessions[i];
        session->descriptor = socket(AF_INET, SOCK_STREAM, 0);
        if (session->descriptor < 0 || connect(session->descriptor, (void *)&address, sizeof address)) fail("connect");
        int one = 1;
        setsockopt(session->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(session->descriptor, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
        epoll_ctl(poller, EPOLL_CTL_ADD, session->descriptor, &event);
        if (send(session->descriptor, request, strlen(request), MSG_NOSIGNAL) < 0) fail("send");
        while (i - ready_count > 32) pump(100);
    }
    uint64_t began = now_nanoseconds();
    while (ready_count < session_count) {
        pump(100);
        heartbeat_when_due();
        if (now_nanoseconds() - began > stall_seconds * 1000000000ull) {
            fprintf(stderr, "only %d of %d sessions became ready\n", ready_count, session_count);
            exit(1);
        }
    }
}

// Pumps until `*what` is 0.
static void pump_until_none(uint64_t *what, const char *name) {
    uint64_t progressed = now_nanoseconds(), before = *what;
    while (*what > 0) {
        pump(100);
        heartbeat_when_due();
        if (*what != before) {
            before = *what;
            progressed = now_nanoseconds();
        } else if (now_nanoseconds() - progressed > stall_seconds * 1000000000ull) {
            fprintf(stderr, "%lu %s are missing\n", (unsigned long)*what, name);
            exit(1);
        }
    }
}

static void expect(uint32_t count) {
    expected = count;
    arrivals = calloc(count, sizeof *arrivals);
    last_arrival = calloc(count, sizeof *last_arrival);
    outstanding = (uint64_t)count * (uint64_t)session_count;
    event_bytes = 0;
    for (int i = 0; i < session_count; i++) sessions[i].received = 0;
    printf("waiting\n");
    pump_until_none(&outstanding, "receipts");
    for (uint32_t i = 0; i < count; i++) printf("event %u %lu\n", i, (unsigned long)last_arrival[i]);
    printf("done %lu\n", (unsigned long)(event_bytes / count / (uint64_t)session_count));
    free(arrivals);
    free(last_arrival);
    expected = 0;
}

static void read_tokens(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    char line[512];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!line[0]) continue;
        tokens = realloc(tokens, sizeof *tokens * (size_t)(token_count + 1));
        tokens[token_count++] = strdup(line);
    }
    fclose(file);
    if (token_count == 0) fail("no token");
}

int main(int count, char **arguments) {
    if (count < 5) {
        fprintf(stderr, "usage: swarm HOST PORT PATH SESSIONS [TOKENS]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    session_count = atoi(arguments[4]);
    is_gateway = count > 5;
    is_compressed = strstr(arguments[3], "compress=zlib-stream") != NULL;
    if (is_gateway) read_tokens(arguments[5]);
    sessions = calloc((size_t)session_count, sizeof *sessions);
    poller = epoll_create1(0);
    open_sessions(arguments[1], atoi(arguments[2]), arguments[3]);
    printf("ready %d\n", session_count);
    char line[128];
    size_t length = 0;
    for (;;) {
        // Standard input is polled beside the sessions, so that they stay alive between commands.
        struct pollfd input = {.fd = 0, .events = POLLIN};
        if (poll(&input, 1, 0) > 0) {
            ssize_t got = read(0, line + length, sizeof line - 1 - length);
            if (got <= 0) return 0;
            length += (size_t)got;
            line[length] = 0;
            char *end = strchr(line, '\n');
            if (!end) continue;
            length = 0;
            uint32_t events;
            if (sscanf(line, "expect %u", &events) == 1) expect(events);
            else if (!strncmp(line, "heartbeat", 9)) {
                for (int i = 0; i < session_count; i++) heartbeat(&sessions[i]);
                pump_until_none(&unacknowledged, "acknowledgements");
                printf("done\n");
            }
        }
        pump(20);
        heartbeat_when_due();
    }
}
