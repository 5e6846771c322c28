/* hookd: the hook's side of the benchmark, an HTTP/1.1 server that costs next to no CPU.
 *
 *     hookd [--port PORT]
 *
 * It listens on 127.0.0.1 only and prints the port it got. Every GET or POST of /v1/ivr is answered
 * with a <Dial>, anything else with 404; what it cannot read ends the connection. SIGTERM ends it,
 * and it then prints what it counted as one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_CAPACITY = 16384, EVENTS_AT_ONCE = 256, BACKLOG = 4096 };

/* The vendor's answer that forwards the call. */
#define ANSWER_BODY "<Response><Dial>+14155550199</Dial></Response>"
static const char NOT_FOUND[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
static char answer[256];

struct connection {
    int fd;
    size_t length;
    char request[REQUEST_CAPACITY];
};

struct head {
    size_t length; /* of the head, with its empty line */
    size_t body;   /* as Content-Length says */
    bool wanted;   /* it asks for the hook's path */
    bool closing;  /* the client wants no second request on this connection */
};

static unsigned long requests, connections, bad;
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void drop(struct connection *from)
{
    close(from->fd);
    free(from);
}

static bool has_name(const char *line, const char *name)
{
    return strncasecmp(line, name, strlen(name)) == 0;
}

/* Reads the head of the first request in the buffer; false while it is not complete. */
static bool read_head(const struct connection *from, struct head *head)
{
    const char *end = memmem(from->request, from->length, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    memset(head, 0, sizeof *head);
    head->length = (size_t)(end - from->request) + 4;
    head->wanted = has_name(from->request, "POST /v1/ivr") || has_name(from->request, "GET /v1/ivr");
    const char *line = from->request;
    while (line < end) {
        const char *line_end = memmem(line, head->length - (size_t)(line - from->request), "\r\n", 2);
        if (has_name(line, "content-length:")) {
            head->body = strtoul(line + strlen("content-length:"), NULL, 10);
        }
        if (has_name(line, "connection: close")) {
            head->closing = true;
        }
        line = line_end + 2;
    }
    return true;
}

/* Answers every complete request in the buffer; false when the connection is done. */
static bool answer_requests(struct connection *from)
{
    struct head head;
    from->request[from->length] = '\0';
    while (read_head(from, &head)) {
        if (head.body > REQUEST_CAPACITY || head.length + head.body >= REQUEST_CAPACITY) {
            bad++;
            return false;
        }
        size_t whole = head.length + head.body;
        if (from->length < whole) {
            return true;
        }
        requests++;
        bad += !head.wanted;
        const char *reply = head.wanted ? answer : NOT_FOUND;
        ssize_t sent = send(from->fd, reply, strlen(reply), MSG_NOSIGNAL);
        if (sent != (ssize_t)strlen(reply) || head.closing) {
            return false;
        }
        from->length -= whole;
        memmove(from->request, from->request + whole, from->length + 1);
    }
    return from->length < REQUEST_CAPACITY - 1;
}

static void on_readable(struct connection *from)
{
    ssize_t count = read(from->fd, from->request + from->length, REQUEST_CAPACITY - 1 - from->length);
    if (count <= 0) {
        drop(from);
        return;
    }
    from->length += (size_t)count;
    if (!answer_requests(from)) {
        drop(from);
    }
}

static void accept_all(int epoll, int listener)
{
    int fd;
    int on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *made = malloc(sizeof *made);
        if (made == NULL) {
            close(fd);
            return;
        }
        made->fd = fd;
        made->length = 0;
        connections++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = made};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted);
    }
}

static int listen_on_loopback(int port)
{
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, BACKLOG) != 0) {
        perror("hookd");
        exit(1);
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("READY %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void serve(int listener)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = NULL};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted);
    while (!stopping) {
        /* Not forever: a signal may come between the test above and the wait. */
        int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, 500);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                accept_all(epoll, listener);
            } else {
                on_readable(events[i].data.ptr);
            }
        }
    }
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"port", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
    int port = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option != 'p') {
            fprintf(stderr, "usage: hookd [--port PORT]\n");
            return 1;
        }
        port = atoi(optarg);
    }
    /* No SA_RESTART: epoll_wait must return for the signal to be seen. */
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(ANSWER_BODY), ANSWER_BODY);
    serve(listen_on_loopback(port));
    printf("{\"requests\": %lu, \"connections\": %lu, \"bad\": %lu}\n", requests, connections, bad);
    return 0;
}
