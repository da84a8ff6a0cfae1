/** The writer thread: workers hand it pieces of sound, it encrypts and writes them, so that a slow disk never delays a
 * packet. Threads    rec_file_* are called by the worker that owns the recorder; the file belongs to the writer thread
 * after close. Bounds     record_queue_bytes of all recordings together; a recording that finds it full fails, loudly
 * and for good. */
#ifndef MEDIA_SHELL_REC_WRITER_H
#define MEDIA_SHELL_REC_WRITER_H
#include "core.h"
#include "rec_file.h"

struct rec_writer;
struct rec_file;
enum { REC_PIECE_BYTES = 8000 }; /* half a second of both channels, A-law */

PL_MUST enum pl_err rec_writer_open(struct rec_writer **ret, struct core *core, const struct core_cfg *cfg,
				    struct pl_why *why);
void rec_writer_close(struct rec_writer *w); /* writes what it was given */
uint64_t rec_writer_queued(const struct rec_writer *w);
uint64_t rec_writer_failures(const struct rec_writer *w);
/** The folder of recordings. */
const char *rec_writer_dir(const struct rec_writer *w);

struct rec_file *rec_file_new(struct rec_writer *w, const struct rec_hdr *hdr);
/** piece is taken. False: the recording has failed. */
bool rec_file_sound(struct rec_file *f, uint8_t *piece, size_t n);
void rec_file_mark(struct rec_file *f, uint64_t at_sample, bool paused, const char *reason);
void rec_file_close(struct rec_file *f, const uint64_t packets[2]);
#endif
