/* agiload: the PBX's side of the benchmark. It plays Asterisk against a FastAGI server on 127.0.0.1,
 * many calls at once, and costs far less CPU than any server it measures.
 *
 * Each call connects, sends an environment block, answers every command as Asterisk 22 does when
 * all goes well (prompts play to their end, the caller keys a number and confirms it, the dialled
 * party answers), and counts as completed when the server has sent the last command of the flow and
 * then closed its socket. What it measures is printed as one JSON object; the exit status is 0 if
 * every call completed, 4 if one failed, 1 on wrong usage. `usage` below says what can be chosen.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "agiload.h"

enum {
    EVENTS_AT_ONCE = 512,
    STARTS_AT_ONCE = 64 /* so that starting calls never keeps answers waiting */
};

struct options option = {
    .concurrency = 1,
    .total = 1000,
    .call_seconds = 30,
    .run_seconds = 180,
    .port = 4573,
    .script = "consent",
    .jitter = 0.2,
    .digits = "4155550199",
    .end_key = "",
    .confirm = "1",
    .endpos = 999999,
    .last = "GET VARIABLE DIALSTATUS",
};

struct tally tally;
static uint64_t run_began;

uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static bool starting_is_over(uint64_t now)
{
    bool late = option.seconds > 0 && now - run_began >= (uint64_t)(option.seconds * SECOND);
    return late || tally.started >= option.total;
}

static bool ramping(uint64_t now)
{
    return now - run_began < (uint64_t)(option.ramp * SECOND);
}

/* How many calls may be in progress now. */
static int calls_allowed(uint64_t now)
{
    if (!ramping(now)) {
        return option.concurrency;
    }
    return (int)((double)option.concurrency * (double)(now - run_began) / (option.ramp * SECOND));
}

/* Starts what may be started; returns for how long, in nanoseconds, no more can be. */
static uint64_t start_calls(uint64_t now)
{
    int allowed = calls_allowed(now);
    for (int i = 0; i < STARTS_AT_ONCE; i++) {
        bool crowded = option.connecting > 0 && tally.unanswered >= option.connecting;
        if (calls_in_progress() >= allowed || crowded || starting_is_over(now)) {
            return ramping(now) ? SECOND / 1000 : SECOND / 20;
        }
        start_call();
    }
    return 0;
}

static void open_window(uint64_t now)
{
    if (tally.counting || now - run_began < (uint64_t)(option.warmup * SECOND)) {
        return;
    }
    tally.counting = true;
}

static void fail_slow_calls(uint64_t now)
{
    static uint64_t swept_at;
    if (now - swept_at < SECOND / 5 || option.park) {
        return;
    }
    swept_at = now;
    for (int i = 0; i < option.concurrency; i++) {
        struct call *call = &calls[i];
        if (call->state != FREE && now > call->started_at + (uint64_t)(option.call_seconds * SECOND)) {
            fail_call(call, &tally.timed_out);
        }
    }
}

/* Once every call is parked, or will not be in time: says so and holds them until input ends. */
static bool held_parked(uint64_t now)
{
    bool late = now - run_began > (uint64_t)(option.call_seconds * SECOND);
    bool all = starting_is_over(now) && tally.parked == calls_in_progress();
    if (!option.park || !(all || late)) {
        return false;
    }
    printf("PARKED %ld\n", tally.parked);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return true;
}

static void answer_due(uint64_t now)
{
    struct call *call;
    while ((call = due_first()) != NULL && call->due_at <= now) {
        due_remove(call);
        send_reply(call);
    }
}

static void wait_for_events(uint64_t now, uint64_t longest)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    uint64_t until = now + longest;
    const struct call *next = due_first();
    if (next != NULL && next->due_at < until) {
        until = next->due_at;
    }
    struct timespec limit = {.tv_nsec = (long)(until > now ? until - now : 0)};
    int count = epoll_pwait2(epoll, events, EVENTS_AT_ONCE, &limit, NULL);
    for (int i = 0; i < count; i++) {
        on_event(&events[i]);
    }
}

static void run(void)
{
    run_began = now_ns();
    for (;;) {
        uint64_t now = now_ns();
        open_window(now);
        uint64_t longest = start_calls(now);
        if (calls_in_progress() == 0 && starting_is_over(now)) {
            return;
        }
        if (now - run_began > (uint64_t)(option.run_seconds * SECOND)) {
            return;
        }
        if (held_parked(now)) {
            return;
        }
        answer_due(now);
        fail_slow_calls(now);
        wait_for_events(now, longest);
    }
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double whole = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec);
    return whole + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void print_latency(const char *name, const struct histogram *of)
{
    printf(", \"%s\": {\"count\": %lu, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}",
           name, (unsigned long)of->count, histogram_microseconds(of, 0.5),
           histogram_microseconds(of, 0.9), histogram_microseconds(of, 0.99),
           histogram_microseconds(of, 0.999), (double)of->largest / 1000.0);
}

/* Prints all figures; returns how much went wrong. */
static long report(void)
{
    double seconds = (double)(now_ns() - run_began) / SECOND;
    long unfinished = calls_in_progress() - tally.parked;
    long failures = tally.started - tally.completed - tally.parked;
    printf("{\"completed\": %ld, \"failed\": %ld, \"commands\": %ld, \"seconds\": %.4f, \"cpu_s\": %.3f",
           tally.completed, failures, tally.commands, seconds, cpu_seconds());
    printf(", \"failures\": {\"connect\": %ld, \"early_close\": %ld, \"reset\": %ld, \"timed_out\": %ld, "
           "\"oversize\": %ld, \"unfinished\": %ld}, \"unknown_commands\": %ld, \"stray_lines\": %ld",
           tally.connect, tally.early_close, tally.reset, tally.timed_out, tally.oversize,
           unfinished, tally.unknown_command, tally.stray_line);
    print_latency("turn_us", &tally.turns);
    print_latency("bridge_turn_us", &tally.bridge_turns);
    print_latency("exec_turn_us", &tally.exec_turns);
    print_latency("first_us", &tally.first_turns);
    print_latency("call_us", &tally.whole_calls);
    printf("}\n");
    return failures + tally.stray_line + tally.unknown_command;
}

static void usage(void)
{
    fprintf(stderr,
            "usage: agiload --port PORT [--script PATH] [--concurrency N] [--total N] [--seconds S]\n"
            "  [--ramp S] [--warmup S] [--call-seconds S] [--run-seconds S] [--connecting N]\n"
            "  [--think MICROSECONDS] [--jitter SHARE] [--digits KEYS] [--end-key KEY]\n"
            "  [--confirm KEY] [--endpos SAMPLES] [--last COMMAND] [--park] [--trace]\n"
            "--digits: an N stands for a digit of the call's serial number, so 21255501NN gives\n"
            "a hundred different callers. --park: holds each call where it first waits for keys, prints\n"
            "PARKED and how many, and hangs up on all of them when standard input ends.\n");
    exit(1);
}

static void read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", 1, NULL, 'p'},         {"script", 1, NULL, 's'},     {"concurrency", 1, NULL, 'c'},
        {"total", 1, NULL, 'n'},        {"seconds", 1, NULL, 'S'},    {"warmup", 1, NULL, 'w'},
        {"call-seconds", 1, NULL, 'L'}, {"run-seconds", 1, NULL, 'R'}, {"connecting", 1, NULL, 'i'},
        {"think", 1, NULL, 't'},        {"jitter", 1, NULL, 'j'},     {"digits", 1, NULL, 'd'},
        {"end-key", 1, NULL, 'e'},      {"confirm", 1, NULL, 'k'},    {"endpos", 1, NULL, 'E'},
        {"last", 1, NULL, 'l'},         {"park", 0, NULL, 'P'},       {"trace", 0, NULL, 'T'},
        {"ramp", 1, NULL, 'r'},
        {NULL, 0, NULL, 0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (letter) {
        case 'p':
            option.port = atoi(optarg);
            break;
        case 's':
            option.script = optarg;
            break;
        case 'c':
            option.concurrency = atoi(optarg);
            break;
        case 'n':
            option.total = atol(optarg);
            break;
        case 'S':
            option.seconds = atof(optarg);
            break;
        case 'r':
            option.ramp = atof(optarg);
            break;
        case 'w':
            option.warmup = atof(optarg);
            break;
        case 'L':
            option.call_seconds = atof(optarg);
            break;
        case 'R':
            option.run_seconds = atof(optarg);
            break;
        case 'i':
            option.connecting = atoi(optarg);
            break;
        case 't':
            option.think = atol(optarg);
            break;
        case 'j':
            option.jitter = atof(optarg);
            break;
        case 'd':
            option.digits = optarg;
            break;
        case 'e':
            option.end_key = optarg;
            break;
        case 'k':
            option.confirm = optarg;
            break;
        case 'E':
            option.endpos = atol(optarg);
            break;
        case 'l':
            option.last = optarg;
            break;
        case 'P':
            option.park = true;
            break;
        case 'T':
            option.trace = true;
            break;
        default:
            usage();
        }
    }
    size_t keys = strlen(option.digits) + strlen(option.end_key);
    if (optind != argc || option.concurrency < 1 || option.confirm[0] == '\0' || keys >= NUMBER_CAPACITY) {
        usage();
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    raise_descriptor_limit();
    prepare_calls();
    prepare_due(option.concurrency);
    run();
    return report() == 0 ? 0 : 4;
}
