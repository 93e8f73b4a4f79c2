/*
 * sealer.h - seals finished archives in the background.
 *
 * One thread per sink, at the lowest priority for CPU and disk. It takes
 * files that the sink has finished, committed and forgotten, makes each a
 * sealed one by a rename over its own name, and tells the manifest. Whatever
 * goes wrong, the file stays as it was, readable, and is tried again later.
 *
 * A file that is deleted must not be under way here: sealer_hold().
 */
#ifndef LB_SEALER_H
#define LB_SEALER_H

#include "output.h"

struct sealer;

/* `output` outlives the sealer; only what never changes after its open() is used. NULL: errno says why. */
struct sealer *sealer_start(const struct output *output, int level);

/* Stops between two blocks; what is under way is tried again at the next start. */
void sealer_stop(struct sealer *self);

/* A file to look at. Copied; one too many is left to the next look around. Any thread. */
void sealer_add(struct sealer *self, const char *path);

/* True once after it had to leave files out and has room again: look around. */
bool sealer_is_hungry(struct sealer *self);

/* Why sealing does not go on now, for a person; no text: it does. Any thread. */
void sealer_note(struct sealer *self, char *text, size_t size);

/* False: it is being sealed just now. True: none is begun until sealer_release(). */
bool sealer_hold(struct sealer *self, const char *path);
void sealer_release(struct sealer *self);

/* sealer_untold.c: calls `add` for each sealed file that the manifest in `root` does not know. */
void sealer_find_untold(const struct output *output, const char *root, void (*add)(void *context, const char *path),
                        void *context);

#endif
