/*
 * sequencer.c - a hash of batches that wait for their turn, and the turn.
 *
 * While one worker is busy with an old batch the others may finish as many as
 * the pool holds, so the table chains through the batches themselves: it
 * needs no memory and cannot fill. The tricky thing is `draining`: one worker
 * hands on for all, outside the lock; others leave their batch and go.
 */
#include "lb_sequencer.h"

#include "lb_alloc.h"

#include <assert.h>
#include <pthread.h>

enum { BUCKETS = 256 };

struct lb_sequencer {
    pthread_mutex_t lock;
    uint64_t turn;
    bool draining;
    struct lb_batch *buckets[BUCKETS]; /* each rising by sequence, so the one whose turn it is stands first */
    void (*emit)(void *context, struct lb_batch *batch);
    void *context;
};

struct lb_sequencer *lb_sequencer_new(void (*emit)(void *context, struct lb_batch *batch), void *context)
{
    struct lb_sequencer *sequencer = lb_alloc(sizeof(*sequencer));

    if (sequencer == NULL)
        return NULL;
    pthread_mutex_init(&sequencer->lock, NULL);
    sequencer->emit = emit;
    sequencer->context = context;
    return sequencer;
}

/* Batches behind a gap that nobody will fill (a run that is given up) go back to the pool. */
void lb_sequencer_free(struct lb_sequencer *sequencer)
{
    if (sequencer == NULL)
        return;
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct lb_batch *batch = sequencer->buckets[i];

        while (batch != NULL) {
            struct lb_batch *next = batch->next;

            lb_batch_unref(batch);
            batch = next;
        }
    }
    pthread_mutex_destroy(&sequencer->lock);
    lb_free(sequencer);
}

static void keep(struct lb_sequencer *sequencer, struct lb_batch *batch)
{
    struct lb_batch **link = &sequencer->buckets[batch->sequence % BUCKETS];

    assert(batch->sequence >= sequencer->turn);
    while (*link != NULL && (*link)->sequence < batch->sequence)
        link = &(*link)->next;
    batch->next = *link;
    *link = batch;
}

static struct lb_batch *take_next(struct lb_sequencer *sequencer)
{
    struct lb_batch **link = &sequencer->buckets[sequencer->turn % BUCKETS];
    struct lb_batch *batch = *link;

    if (batch == NULL || batch->sequence != sequencer->turn)
        return NULL;
    *link = batch->next;
    batch->next = NULL;
    sequencer->turn++;
    return batch;
}

void lb_sequencer_done(struct lb_sequencer *sequencer, struct lb_batch *batch)
{
    pthread_mutex_lock(&sequencer->lock);
    keep(sequencer, batch);
    if (!sequencer->draining) {
        sequencer->draining = true;
        while ((batch = take_next(sequencer)) != NULL) {
            pthread_mutex_unlock(&sequencer->lock);
            sequencer->emit(sequencer->context, batch);
            pthread_mutex_lock(&sequencer->lock);
        }
        sequencer->draining = false;
    }
    pthread_mutex_unlock(&sequencer->lock);
}
