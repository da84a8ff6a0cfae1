#include <parley/log.h>
#include <parley/outbox.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 500
#define LOOK_US PL_US_PER_S
#define BODY_MAX (((size_t)1 << 20) - 1024) /* headers count too */

struct row {
	struct batch *batch;
	const char *id, *subject, *type;
	const uint8_t *body;
	size_t len;
};

/* What one SELECT gave; freed when its rows are deleted. */
struct batch {
	struct outbox *box;
	struct pl_arena *a;
	struct row *rows;
	size_t n, waiting, n_acked;
	const char **acked;
	bool left_over; /* leftovers of others: rows that should have been sent long ago */
};

struct outbox {
	struct bus *bus;
	struct pg *pg;
	struct pl_timer *timer;
	struct pg_stmt select, delete;
	struct pl_arena *a;
	bool busy, again, closed;
};

/* --- in a pg worker --- */

static const char *event_id(const ProtobufCMessage *msg)
{
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, "meta");

	if (!f || f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED)
		return NULL;
	const ProtobufCMessage *meta = *(ProtobufCMessage *const *)(const void *)((const char *)msg + f->offset);
	f = meta ? protobuf_c_message_descriptor_get_field_by_name(meta->descriptor, "event_id") : NULL;
	if (!f || f->type != PROTOBUF_C_TYPE_STRING)
		return NULL;
	const char *id = *(char *const *)(const void *)((const char *)meta + f->offset);
	return id && pl_id_ok(id) ? id : NULL;
}

enum pl_err outbox_add(struct pg_conn *c, const char *schema, const char *subject, const ProtobufCMessage *msg,
		       struct pl_why *why)
{
	static const struct pg_stmt add = { "outbox_add",
					    "INSERT INTO outbox (id, subject, type, body) VALUES ($1, $2, $3, $4)" };
	size_t n = protobuf_c_message_get_packed_size(msg);
	char fresh[PL_ID_LEN];

	(void)schema; /* the session's search_path is the service's schema */
	if (n > BODY_MAX)
		return pl_why_set(why, PL_E_FULL, "%s has %zu bytes, at most %zu fit", msg->descriptor->name, n,
				  BODY_MAX);
	uint8_t *p = pl_arena_alloc(pg_tmp(c), n + 1);
	if (!p)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	protobuf_c_message_pack(msg, p);
	const char *id = event_id(msg), *body = pg_bytea_param(c, p, n);
	if (!body)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	const char *const params[] = { id ? id : pl_id_new(fresh), subject, msg->descriptor->name, body };
	return pg_exec(c, &add, params, 4, NULL, why);
}

static enum pl_err select_job(void *arg, struct pg_conn *c, struct pl_why *why)
{
	struct batch *b = arg;
	struct pg_rows *r;

	pl_arena_reset(b->a);
	const char *const params[] = {
		b->left_over ? "2" : "-1000000"
	}; /* seconds; a clock that was set back must not hide rows */
	enum pl_err err = pg_exec(c, &b->box->select, params, 1, &r, why);
	if (err)
		return err;
	b->n = (size_t)pg_n(r);
	b->rows = pl_arena_alloc(b->a, (b->n + 1) * sizeof(*b->rows));
	b->acked = pl_arena_alloc(b->a, (b->n + 1) * sizeof(*b->acked));
	if (!b->rows || !b->acked)
		return PL_E_NOMEM;
	for (size_t i = 0; i < b->n; i++) {
		struct row *o = &b->rows[i];
		size_t len;
		const uint8_t *body = pg_bytes(c, r, (int)i, 3, &len);
		*o = (struct row){ .batch = b,
				   .id = pl_arena_strdup(b->a, pg_str(r, (int)i, 0)),
				   .subject = pl_arena_strdup(b->a, pg_str(r, (int)i, 1)),
				   .len = len,
				   .type = pl_arena_strdup(b->a, pg_str(r, (int)i, 2)),
				   .body = pl_arena_dup(b->a, body, len) };
		if (!o->id || !o->subject || !o->type || !body || !o->body)
			return PL_E_NOMEM;
	}
	return PL_OK;
}

static enum pl_err delete_job(void *arg, struct pg_conn *c, struct pl_why *why)
{
	struct batch *b = arg;
	char *list = pl_arena_alloc(pg_tmp(c), b->n_acked * PL_ID_LEN + 3), *p = list;

	if (!list)
		return PL_E_NOMEM;
	for (size_t i = 0; i < b->n_acked; i++) /* ids are 36 characters of hex and '-': nothing to quote in an array */
		p += sprintf(p, "%c%.36s", i ? ',' : '{', b->acked[i]);
	memcpy(p, "}", 2);
	return pg_exec(c, &b->box->delete, (const char *[]){ list }, 1, NULL, why);
}

/* --- on the loop --- */

static void box_free(struct outbox *o)
{
	pl_arena_free(o->a);
	free(o);
}

static void look(struct outbox *o, bool left_over);

static void batch_end(struct batch *b)
{
	struct outbox *o = b->box;
	bool more = o->again || b->n == BATCH;

	pl_arena_free(b->a);
	free(b);
	o->busy = false;
	if (o->closed)
		box_free(o);
	else if (more)
		look(o, false);
}

static void on_deleted(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct batch *b = arg;

	if (err) { /* they stay, and will be sent once more under the same ids */
		log_warn("outbox.delete-failed", LOG_WHY(why));
		b->n = 0;
	}
	batch_end(b);
}

static void batch_sent(struct batch *b)
{
	if (!b->n_acked || b->box->closed || pg_tx(b->box->pg, delete_job, on_deleted, b)) {
		b->n = 0; /* the timer tries again */
		batch_end(b);
	}
}

static void on_ack(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct row *r = arg;
	struct batch *b = r->batch;

	if (!err)
		b->acked[b->n_acked++] = r->id;
	if (--b->waiting == 0)
		batch_sent(b);
}

static void on_selected(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct batch *b = arg;

	if (err || b->box->closed) {
		b->n = 0;
		batch_end(b);
		return;
	}
	b->waiting = 1; /* our own, so that the batch cannot end while it is being sent */
	for (size_t i = 0; i < b->n; i++) {
		struct row *r = &b->rows[i];
		struct bus_out out = {
			.subject = r->subject, .type = r->type, .data = r->body, .len = r->len, .msg_id = r->id
		};
		b->waiting++;
		if (bus_js_publish(b->box->bus, &out, on_ack, r)) {
			b->waiting--;
			break; /* the bus is full; going on would change the order */
		}
	}
	if (--b->waiting == 0)
		batch_sent(b);
}

static void look(struct outbox *o, bool left_over)
{
	struct batch *b = calloc(1, sizeof(*b));

	o->again = false;
	if (b)
		*b = (struct batch){ .box = o, .a = pl_arena_new(0), .left_over = left_over };
	if (!b || !b->a || pg_read(o->pg, select_job, on_selected, b)) {
		if (b)
			pl_arena_free(b->a);
		free(b);
		return;
	}
	o->busy = true;
}

static void on_timer(void *arg)
{
	struct outbox *o = arg;

	if (!o->busy && bus_connected(o->bus))
		look(o, true);
}

void outbox_kick(struct outbox *o)
{
	o->again = true;
	if (!o->busy)
		look(o, false);
}

enum pl_err outbox_open(struct outbox **ret, struct bus *b, struct pg *pg, const char *schema, struct pl_why *why)
{
	struct outbox *o = calloc(1, sizeof(*o));
	struct pl_arena *a = o ? pl_arena_new(0) : NULL;

	if (!a) {
		free(o);
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	}
	*o = (struct outbox){ .bus = b, .pg = pg, .a = a };
	o->select = (struct pg_stmt){ "outbox_select",
				      pl_arena_printf(a,
						      "SELECT id, subject, type, body FROM %s.outbox WHERE at < "
						      "clock_timestamp() - make_interval(secs => $1::int)"
						      " ORDER BY id LIMIT %d",
						      schema, BATCH) };
	o->delete = (struct pg_stmt){ "outbox_delete",
				      pl_arena_printf(a, "DELETE FROM %s.outbox WHERE id = ANY($1::uuid[])", schema) };
	enum pl_err err =
		o->select.sql && o->delete.sql ? pl_timer_new(&o->timer, bus_loop(b), on_timer, o) : PL_E_NOMEM;
	if (err) {
		box_free(o);
		return pl_why_set(why, err, "no memory");
	}
	pl_timer_every(o->timer, LOOK_US);
	look(o, false); /* what the process before us left */
	*ret = o;
	return PL_OK;
}

void outbox_close(struct outbox *o)
{
	if (!o)
		return;
	pl_timer_free(o->timer);
	o->timer = NULL;
	o->closed = true;
	if (!o->busy)
		box_free(o);
}
