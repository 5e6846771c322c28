/* agidue.c: answers that are due later, first one first: a binary heap ordered by due_at. */
#include <stdio.h>
#include <stdlib.h>

#include "agiload.h"

static struct call **heap;
static int heap_size;

void prepare_due(int capacity)
{
    heap = calloc((size_t)capacity, sizeof(struct call *));
    if (heap == NULL) {
        perror("agiload");
        exit(2);
    }
}

struct call *due_first(void)
{
    return heap_size > 0 ? heap[0] : NULL;
}

static void heap_put(int place, struct call *call)
{
    heap[place] = call;
    call->heap_place = place;
}

static void heap_rise(int place)
{
    struct call *call = heap[place];
    while (place > 0 && call->due_at < heap[(place - 1) / 2]->due_at) {
        heap_put(place, heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    heap_put(place, call);
}

static void heap_sink(int place)
{
    struct call *call = heap[place];
    for (;;) {
        int child = 2 * place + 1;
        if (child + 1 < heap_size && heap[child + 1]->due_at < heap[child]->due_at) {
            child++;
        }
        if (child >= heap_size || heap[child]->due_at >= call->due_at) {
            break;
        }
        heap_put(place, heap[child]);
        place = child;
    }
    heap_put(place, call);
}

void due_add(struct call *call)
{
    heap_size++;
    heap_put(heap_size - 1, call);
    heap_rise(heap_size - 1);
}

void due_remove(struct call *call)
{
    int place = call->heap_place;
    if (place < 0) {
        return;
    }
    struct call *moved = heap[--heap_size];
    call->heap_place = -1;
    if (moved != call) {
        heap_put(place, moved);
        heap_rise(place);
        heap_sink(moved->heap_place);
    }
}
