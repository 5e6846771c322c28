/* agianswer.c: what Asterisk 22 answers to each command when all goes well.
 *
 * Prompts play to their end, the caller keys a number and confirms it, the dialled party answers.
 * The forms are those of `handle_*` in Asterisk's res/res_agi.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agiload.h"

/* Whether the command begins so; quotes around its words do not count. */
bool begins(const char *line, const char *words)
{
    while (*words != '\0') {
        if (*line == '"') {
            line++;
        } else if (*line++ != *words++) {
            return false;
        }
    }
    return true;
}

void reply_with(struct call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(call->reply, REPLY_CAPACITY, format, arguments);
    va_end(arguments);
    call->reply_length = length < REPLY_CAPACITY ? (size_t)length : REPLY_CAPACITY - 1;
}

/* The number this caller keys: the template with the call's serial number in place of the Ns. */
static void write_number(const struct call *call, char number[NUMBER_CAPACITY])
{
    long rest = call->serial;
    snprintf(number, NUMBER_CAPACITY, "%s%s", option.digits, option.end_key);
    for (size_t i = strlen(number); i-- > 0;) {
        if (number[i] == 'N') {
            number[i] = (char)('0' + rest % 10);
            rest /= 10;
        }
    }
}

/* GET DATA: the rest of the number, without the end key; after it the confirmation. */
static void answer_get_data(struct call *call)
{
    char number[NUMBER_CAPACITY];
    write_number(call, number);
    size_t length = strlen(number);
    if (call->keyed < length) {
        number[length - strlen(option.end_key)] = '\0';
        reply_with(call, "200 result=%s\n", number + call->keyed);
        call->keyed = length;
    } else {
        reply_with(call, "200 result=%s\n", option.confirm);
    }
}

/* WAIT FOR DIGIT: the number key by key, the end key, then the confirmation. */
static void answer_wait_for_digit(struct call *call)
{
    char number[NUMBER_CAPACITY];
    write_number(call, number);
    char key = option.confirm[0];
    if (call->keyed < strlen(number)) {
        key = number[call->keyed++];
    }
    reply_with(call, "200 result=%d\n", key);
}

/* GET VARIABLE and GET FULL VARIABLE: the dialled party answered; nothing else is set. */
static void answer_variable(struct call *call, const char *line)
{
    if (strstr(line, "DIALSTATUS") != NULL) {
        reply_with(call, "200 result=1 (ANSWER)\n");
    } else if (strstr(line, "ANSWEREDTIME") != NULL || strstr(line, "DIALEDTIME") != NULL) {
        reply_with(call, "200 result=1 (12)\n");
    } else if (begins(line, "GET FULL VARIABLE")) {
        reply_with(call, "200 result=1 ()\n");
    } else {
        reply_with(call, "200 result=0\n");
    }
}

/* Writes the reply into the call; false if no Asterisk knows the command. */
bool answer(struct call *call, const char *line)
{
    static const char *const ZERO[] = {"ANSWER",      "SAY ",           "NOOP",
                                       "EXEC ",       "SET CONTEXT",    "SET EXTENSION",
                                       "SET MUSIC",   "SET PRIORITY",   "SET AUTOHANGUP"};
    static const char *const ONE[] = {"SET VARIABLE", "VERBOSE", "SET CALLERID", "HANGUP"};
    if (begins(line, "STREAM FILE")) {
        reply_with(call, "200 result=0 endpos=%ld\n", option.endpos);
        return true;
    }
    if (begins(line, "GET DATA")) {
        answer_get_data(call);
        return true;
    }
    if (begins(line, "WAIT FOR DIGIT")) {
        answer_wait_for_digit(call);
        return true;
    }
    if (begins(line, "GET VARIABLE") || begins(line, "GET FULL VARIABLE")) {
        answer_variable(call, line);
        return true;
    }
    if (begins(line, "CHANNEL STATUS")) {
        reply_with(call, "200 result=6\n");
        return true;
    }
    for (size_t i = 0; i < sizeof ZERO / sizeof *ZERO; i++) {
        if (begins(line, ZERO[i])) {
            reply_with(call, "200 result=0\n");
            return true;
        }
    }
    for (size_t i = 0; i < sizeof ONE / sizeof *ONE; i++) {
        if (begins(line, ONE[i])) {
            reply_with(call, "200 result=1\n");
            return true;
        }
    }
    return false;
}
