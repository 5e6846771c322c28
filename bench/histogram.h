/* histogram.h: latencies counted in buckets, so that a million of them cost no memory.
 *
 * Log-linear: 64 buckets to each doubling, hence an error below 1.6 %. Values are nanoseconds.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

#define HISTOGRAM_STEPS 64
#define HISTOGRAM_STEP_BITS 6
#define HISTOGRAM_BUCKETS (64 * HISTOGRAM_STEPS)

struct histogram {
    uint64_t count;
    uint64_t largest;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

static inline int histogram_bucket(uint64_t value)
{
    if (value < HISTOGRAM_STEPS) {
        return (int)value;
    }
    int exponent = 63 - __builtin_clzll(value);
    int step = (int)((value >> (exponent - HISTOGRAM_STEP_BITS)) & (HISTOGRAM_STEPS - 1));
    return (exponent - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS + step;
}

/* The middle of a bucket: what a value in it is reported as. */
static inline uint64_t histogram_middle(int bucket)
{
    if (bucket < HISTOGRAM_STEPS) {
        return (uint64_t)bucket;
    }
    int shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t low = (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << shift;
    return low + ((1ULL << shift) >> 1);
}

static inline void histogram_add(struct histogram *all, uint64_t value)
{
    all->count++;
    if (value > all->largest) {
        all->largest = value;
    }
    all->buckets[histogram_bucket(value)]++;
}

static inline void histogram_clear(struct histogram *all)
{
    memset(all, 0, sizeof *all);
}

/* The value that the share `quantile` (0 to 1) of all values does not exceed, in microseconds. */
static inline double histogram_microseconds(const struct histogram *all, double quantile)
{
    uint64_t wanted = (uint64_t)(quantile * (double)all->count);
    uint64_t seen = 0;
    for (int bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += all->buckets[bucket];
        if (seen > wanted) {
            uint64_t value = histogram_middle(bucket);
            return (double)(value < all->largest ? value : all->largest) / 1000.0;
        }
    }
    return (double)all->largest / 1000.0;
}

#endif
