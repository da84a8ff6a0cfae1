#ifndef PARLEY_RPC_PACK_H
#define PARLEY_RPC_PACK_H
#include <parley/rpc.h>
#include <stdlib.h>

/* The bytes of a message, on the stack where they fit: most do. */
struct packed {
	uint8_t small[1024];
	uint8_t *p; /* NULL: memory is out */
	size_t n;
};

static inline void packed_init(struct packed *k, const ProtobufCMessage *m)
{
	k->n = m ? protobuf_c_message_get_packed_size(m) : 0;
	k->p = k->n <= sizeof(k->small) ? k->small : malloc(k->n);
	if (k->p && m)
		protobuf_c_message_pack(m, k->p);
}

static inline void packed_done(struct packed *k)
{
	if (k->p != k->small)
		free(k->p);
}

static inline struct bus_out packed_out(const struct packed *k, const char *subject, const ProtobufCMessage *m)
{
	return (struct bus_out){ .subject = subject, .type = m->descriptor->name, .data = k->p, .len = k->n };
}
#endif
