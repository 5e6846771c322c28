/* agicall.c: a call's life on its socket, from connect to close. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agiload.h"

struct call *calls;
int epoll;
static int *free_places;
static int free_count;
static struct sockaddr_in server;

void prepare_calls(void)
{
    size_t count = (size_t)option.concurrency;
    calls = calloc(count, sizeof *calls);
    free_places = calloc(count, sizeof *free_places);
    if (calls == NULL || free_places == NULL) {
        perror("agiload");
        exit(2);
    }
    for (int place = option.concurrency - 1; place >= 0; place--) {
        calls[place].fd = -1;
        free_places[free_count++] = place;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)option.port);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    epoll = epoll_create1(EPOLL_CLOEXEC);
}

int calls_in_progress(void)
{
    return option.concurrency - free_count;
}

/* xorshift64: enough for jitter, the same in every run. */
static double random_share(void)
{
    static uint64_t state = 88172645463325252ULL;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) * (1.0 / 9007199254740992.0);
}

static void end_call(struct call *call)
{
    due_remove(call);
    close(call->fd);
    call->fd = -1;
    if (call->commands == 0) {
        tally.unanswered--;
    }
    if (call->state == PARKED) {
        tally.parked--;
    }
    call->state = FREE;
    call->generation++;
    free_places[free_count++] = (int)(call - calls);
}

void fail_call(struct call *call, long *reason)
{
    (*reason)++;
    end_call(call);
}

static void complete_call(struct call *call)
{
    tally.completed++;
    if (tally.counting) {
        histogram_add(&tally.whole_calls, now_ns() - call->started_at);
    }
    end_call(call);
}

void start_call(void)
{
    int on = 1;
    int place = free_places[--free_count];
    struct call *call = &calls[place];
    call->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (call->fd < 0) {
        perror("agiload: socket");
        exit(2);
    }
    setsockopt(call->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    call->state = CONNECTING;
    call->serial = tally.started++;
    call->commands = 0;
    call->keyed = 0;
    call->last_seen = false;
    call->heap_place = -1;
    call->line_length = 0;
    call->started_at = now_ns();
    call->answered_at = 0;
    tally.unanswered++;
    if (connect(call->fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS) {
        fail_call(call, &tally.connect);
        return;
    }
    struct epoll_event wanted = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = call,
    };
    epoll_ctl(epoll, EPOLL_CTL_ADD, call->fd, &wanted);
}

static void on_connected(struct call *call)
{
    static const char ENVIRONMENT[] =
        "agi_network: yes\nagi_network_script: %s\nagi_request: agi://127.0.0.1:%d/%s\n"
        "agi_channel: PJSIP/trunk-%08lx\nagi_language: en\nagi_type: PJSIP\n"
        "agi_uniqueid: 1700000000.%ld\nagi_version: 22.10.1\nagi_callerid: 1415666%04ld\n"
        "agi_calleridname: unknown\nagi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\n"
        "agi_callingtns: 0\nagi_dnid: 14155550111\nagi_rdnis: unknown\nagi_context: agi-bridge\n"
        "agi_extension: 14155550111\nagi_priority: 1\nagi_enhanced: 0.0\nagi_accountcode: \n"
        "agi_threadid: 140000000000000\n\n";
    char block[1536];
    int length = snprintf(block, sizeof block, ENVIRONMENT, option.script, option.port, option.script,
                          (unsigned long)call->serial, call->serial, call->serial % 10000);
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0 || send(call->fd, block, (size_t)length, MSG_NOSIGNAL) != length) {
        fail_call(call, &tally.connect);
        return;
    }
    call->state = TALKING;
}

void send_reply(struct call *call)
{
    ssize_t sent = send(call->fd, call->reply, call->reply_length, MSG_NOSIGNAL);
    call->answered_at = now_ns();
    call->state = TALKING;
    if (sent != (ssize_t)call->reply_length) {
        fail_call(call, &tally.reset);
    }
}

static void count_turn(struct call *call, const char *line, uint64_t now)
{
    tally.commands++;
    if (call->commands++ == 0) {
        tally.unanswered--;
        if (tally.counting) {
            histogram_add(&tally.first_turns, now - call->started_at);
        }
        return;
    }
    if (!tally.counting) {
        return;
    }
    uint64_t took = now - call->answered_at;
    histogram_add(&tally.turns, took);
    histogram_add(begins(line, "EXEC ") ? &tally.exec_turns : &tally.bridge_turns, took);
}

static void show(const struct call *call, const char *direction, const char *text)
{
    if (option.trace && call->serial == 0) {
        fprintf(stderr, "%s %s\n", direction, text);
    }
}

static void on_command(struct call *call, const char *line, uint64_t now)
{
    if (call->state != TALKING) {
        /* One command in flight, ever: Asterisk would abort the first and never answer it. */
        tally.stray_line++;
        return;
    }
    show(call, "bridge:", line);
    count_turn(call, line, now);
    if (begins(line, option.last)) {
        call->last_seen = true;
    }
    if (!answer(call, line)) {
        tally.unknown_command++;
        reply_with(call, "510 Invalid or unknown command\n");
    }
    show(call, "pbx:   ", call->reply);
    if (option.park && (begins(line, "GET DATA") || begins(line, "WAIT FOR DIGIT"))) {
        call->state = PARKED;
        tally.parked++;
        return;
    }
    if (option.think > 0) {
        double factor = 1.0 + (random_share() * 2.0 - 1.0) * option.jitter;
        call->due_at = now + (uint64_t)((double)option.think * 1000.0 * factor);
        call->state = THINKING;
        due_add(call);
        return;
    }
    send_reply(call);
}

static void on_closed(struct call *call)
{
    if (call->last_seen) {
        complete_call(call);
    } else {
        fail_call(call, &tally.early_close);
    }
}

/* Acts on each whole line in the buffer; false when the call has ended. */
static bool take_lines(struct call *call, uint64_t now)
{
    unsigned generation = call->generation;
    char *line = call->line;
    char *end = call->line + call->line_length;
    char *newline;
    while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        *newline = '\0';
        on_command(call, line, now);
        if (call->generation != generation) {
            return false;
        }
        line = newline + 1;
    }
    call->line_length = (size_t)(end - line);
    memmove(call->line, line, call->line_length);
    return true;
}

static void on_readable(struct call *call, bool peer_closed)
{
    for (;;) {
        size_t room = LINE_CAPACITY - 1 - call->line_length;
        if (room == 0) {
            fail_call(call, &tally.oversize);
            return;
        }
        ssize_t count = read(call->fd, call->line + call->line_length, room);
        if (count < 0 && errno == EAGAIN) {
            return;
        }
        if (count < 0) {
            /* A reset behind the whole flow is still a completed call. */
            if (call->last_seen) {
                complete_call(call);
            } else {
                fail_call(call, &tally.reset);
            }
            return;
        }
        if (count == 0) {
            on_closed(call);
            return;
        }
        call->line_length += (size_t)count;
        if (!take_lines(call, now_ns())) {
            return;
        }
        /* Edge-triggered: a short read has emptied the queue, unless the end is behind it. */
        if ((size_t)count < room && !peer_closed) {
            return;
        }
    }
}

void on_event(const struct epoll_event *event)
{
    struct call *call = event->data.ptr;
    unsigned generation = call->generation;
    if (call->state == FREE) {
        return;
    }
    if (call->state == CONNECTING) {
        on_connected(call);
    }
    if (call->generation == generation && (event->events & ~(uint32_t)EPOLLOUT) != 0) {
        on_readable(call, (event->events & EPOLLRDHUP) != 0);
    }
}
