// The limit for fan-out: a bare loop of send over WebSocket connections, with nothing behind it.
//
// usage: send_loop PORT; prints "listening PORT". Commands on standard input:
//   send BYTES BURST TIMES   TIMES times to every connection: one send of BURST frames of BYTES payload each;
//                            prints "sent CPU_NANOSECONDS", this process's CPU time for it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { connection_limit = 70000 };

static int connections[connection_limit], connection_count;
static const char response[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static uint64_t cpu_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static void send_rounds(int bytes, int burst, int times) {
    size_t frame = (size_t)bytes + 4, length = frame * (size_t)burst;
    uint8_t *buffer = malloc(length);
    for (int i = 0; i < burst; i++) {
        uint8_t *at = buffer + frame * (size_t)i;
        at[0] = 0x81;
        at[1] = 126;
        at[2] = (uint8_t)(bytes >> 8);
        at[3] = (uint8_t)bytes;
        memset(at + 4, 'x', (size_t)bytes);
    }
    uint64_t began = cpu_nanoseconds();
    for (int round = 0; round < times; round++) {
        for (int i = 0; i < connection_count; i++) {
            size_t sent = 0;
            while (sent < length) {
                ssize_t result = send(connections[i], buffer + sent, length - sent, MSG_NOSIGNAL);
                if (result < 0) {
                    perror("send");
                    exit(1);
                }
                sent += (size_t)result;
            }
        }
    }
    printf("sent %lu\n", (unsigned long)(cpu_nanoseconds() - began));
    free(buffer);
}

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)(count > 1 ? atoi(arguments[1]) : 0))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener, (void *)&address, size) || listen(listener, 4096) ||
        getsockname(listener, (void *)&address, &size)) {
        perror("listen");
        return 1;
    }
    printf("listening %d\n", ntohs(address.sin_port));
    char line[128];
    for (;;) {
        struct pollfd polled[2] = {{.fd = 0, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        if (poll(polled, 2, -1) < 0) return 1;
        if (polled[1].revents) {
            int connection = accept(listener, NULL, NULL);
            char request[4096];
            if (connection < 0 || connection_count == connection_limit) return 1;
            setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            if (recv(connection, request, sizeof request, 0) <= 0) return 1;
            if (send(connection, response, sizeof response - 1, MSG_NOSIGNAL) < 0) return 1;
            connections[connection_count++] = connection;
        }
        if (polled[0].revents) {
            int bytes, burst, times;
            ssize_t got = read(0, line, sizeof line - 1);
            if (got <= 0) return 0;
            line[got] = 0;
            if (sscanf(line, "send %d %d %d", &bytes, &burst, &times) == 3) send_rounds(bytes, burst, times);
        }
    }
}
