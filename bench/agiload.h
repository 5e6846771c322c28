/* agiload.h: what the parts of agiload share: the options, one call, and who does what.
 *
 * agiload.c holds the options, the run and the report; agicall.c a call's life on its socket;
 * agianswer.c what the PBX answers to each command; agidue.c the heap of answers due later.
 */
#ifndef BENCH_AGILOAD_H
#define BENCH_AGILOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "histogram.h"

#define SECOND 1000000000ULL /* nanoseconds */

enum {
    LINE_CAPACITY = 2048,
    REPLY_CAPACITY = 160,
    NUMBER_CAPACITY = 32
};

struct options {
    int concurrency;
    long total;          /* calls to start at most */
    double seconds;      /* no call is started after so long; 0: only `total` ends the run */
    double ramp;         /* the first calls are spread over so long, so that they do not march in step */
    double warmup;       /* latencies are not counted before */
    double call_seconds; /* a call that takes longer has failed */
    double run_seconds;  /* the run ends here whatever happens */
    int port;
    const char *script;  /* path and query of the AGI URL */
    long think;          /* microseconds from a command to its reply: what a PBX takes to play */
    double jitter;       /* share of it, up or down */
    int connecting;      /* calls that may wait for their first command at once; 0: any */
    const char *digits;  /* what the caller keys; each N becomes a digit of the call's serial number */
    const char *end_key; /* keyed after the number */
    const char *confirm;
    long endpos;         /* samples that STREAM FILE says it played */
    const char *last;    /* the command, without quotes, whose answer completes a call */
    bool park;           /* hold every call where it first waits for keys */
    bool trace;          /* show the first call */
};

extern struct options option;

enum state { FREE, CONNECTING, TALKING, THINKING, PARKED };

struct call {
    int fd;
    enum state state;
    unsigned generation; /* grows at each end, so that a loop over a call's lines sees it end */
    long serial;
    int commands;
    size_t keyed; /* how much of number and end key the caller has keyed */
    bool last_seen;
    int heap_place;       /* in the heap of answers due; -1: not there */
    uint64_t started_at;
    uint64_t answered_at; /* 0 before the first answer */
    uint64_t due_at;
    size_t reply_length;
    size_t line_length;
    char reply[REPLY_CAPACITY];
    char line[LINE_CAPACITY];
};

/* What has happened so far, in the whole run. */
struct tally {
    long started;
    long completed;
    long unanswered; /* calls that wait for their first command */
    long parked;
    long commands;
    long connect, early_close, reset, timed_out, oversize, unknown_command, stray_line;
    bool counting; /* latencies are counted now */
    struct histogram turns;        /* reply to next command, all */
    struct histogram bridge_turns; /* but those before an EXEC, which hold the hook's answer */
    struct histogram exec_turns;
    struct histogram first_turns; /* connect to first command */
    struct histogram whole_calls;
};

extern struct tally tally;

uint64_t now_ns(void);

/* agicall.c */
extern struct call *calls; /* as many as may be in progress at once */
extern int epoll;
void prepare_calls(void);
int calls_in_progress(void);
void start_call(void);
void on_event(const struct epoll_event *event);
void send_reply(struct call *call);
void fail_call(struct call *call, long *reason);

/* agianswer.c */
bool begins(const char *line, const char *words);
void reply_with(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool answer(struct call *call, const char *line);

/* agidue.c */
void prepare_due(int capacity);
void due_add(struct call *call);
void due_remove(struct call *call);
struct call *due_first(void); /* NULL: none */

#endif
