/* A fleet around real call-control processes: a real NATS and PostgreSQL, and stand-ins for sip-edge, media, flow,
 * acd-router, auth and an agent's desk in this process. Everything the stand-ins are asked is a line of the log;
 * expecting a line uses it up. */
#ifndef CALL_CONTROL_RIG_H
#define CALL_CONTROL_RIG_H
#include <parley/bus.h>
#include <parley/pg.h>
#include <parley/rpc.h>
#include <parley/testkit.h>
#include <stdio.h>

#include "proto.stamp.h"

#include "google/protobuf/timestamp.pb-c.h"
#include "parley/acd/v1/acd.pb-c.h"
#include "parley/auth/v1/auth.pb-c.h"
#include "parley/flow/v1/flow.pb-c.h"
#include "parley/media/v1/media.pb-c.h"
#include "parley/telephony/v1/telephony.pb-c.h"
#include "parley/voice/v1/voice.pb-c.h"

#define RIG_LINES 4000
#define RIG_LIMIT_S 30
#define QUEUE "0199c000-0000-7000-8000-000000000001"
#define FLOW "0199c000-0000-7000-8000-000000000002"
#define ANNA "0199c000-0000-7000-8000-00000000000a"
#define BERT "0199c000-0000-7000-8000-00000000000b"
#define ADMIN "admin 0199c000-0000-7000-8000-0000000000ff 0199c000-0000-7000-8000-0000000000fe"
#define AS_ANNA "agent " ANNA " 0199c000-0000-7000-8000-0000000000aa"
#define AS_BERT "agent " BERT " 0199c000-0000-7000-8000-0000000000bb"

struct rig {
	struct tk *nats, *pg;
	struct tk *cc[2]; /* call-control processes "cc-1", "cc-2" */
	struct pl_loop *loop;
	struct bus *edge, *media, *media2, *flow, *router;
	struct pg *db;
	char lines[RIG_LINES][240];
	bool used[RIG_LINES];
	size_t n;
	uint32_t leg_seq; /* of the events sent: one counter for all legs grows for each */
	uint64_t media_seq;
	bool media_refuses, no_media;
	unsigned applies, steps, inputs; /* requests and inputs of all calls so far */
};
extern struct rig rig;

void rig_up(void);
void rig_down(void);
void rig_start(int cc); /* starts cc-<n + 1> and waits until it is ready */
void rig_note(const char *fmt, ...) PL_PRINTF(1, 2);
/** Waits for a line that contains what; NULL after RIG_LIMIT_S (the log is printed). */
const char *rig_line(const char *what);
bool rig_has(const char *what); /* right now, used or not */
size_t rig_count(const char *what);
/** The word after key in a line: rig_word("edge dial L1 phone=x", "phone=") is "x". Up to 8 results live at once. */
const char *rig_word(const char *line, const char *key);

/** Asks and waits for the answer. *ret lives until the next ask (NULL on error). */
enum pl_err rig_ask(struct bus *b, const ProtobufCServiceDescriptor *d, const char *method, const char *actor,
		    const ProtobufCMessage *in, const ProtobufCMessage **ret);
enum pl_err rig_incoming(const char *leg, const char *to, char owner[64]);
void rig_leg_event(const char *owner, const char *leg, Parley__Telephony__V1__LegEventKind kind, const char *sdp,
		   uint32_t status);
void rig_digit(const char *owner, const char *room, const char *leg, const char *digit);
void rig_play_done(const char *owner, const char *room, const char *player);
void rig_recording_done(const char *owner, const char *room, const char *recording, bool ok);
void rig_offer(const char *interaction, const char *offer, const char *agent, Parley__Acd__V1__Device device,
	       const char *target);
void rig_offer_ended(const char *interaction, const char *offer, const char *agent,
		     Parley__Acd__V1__OfferOutcome outcome);
void rig_route(const char *number, Parley__Voice__V1__InboundRoute__DestinationCase kind, const char *dest,
	       bool record);
void rig_second_media(void); /* media-2 joins */
void rig_lose_media(void);   /* media-1 goes */
void rig_turn(void);
#endif
