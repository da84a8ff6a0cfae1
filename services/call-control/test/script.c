#include "script.h"

#include <stdlib.h>

#define WORDS 40
#define SOURCES 32

struct line {
	char *words[WORDS]; /* "key=value" or "word" */
	size_t n;
};
struct script {
	struct call c;
	struct call_fx fx;
	struct script_names names;
	struct call_env env;
	FILE *out;
	char ids[8][CALL_ID]; /* names turned into ids, alive during one step */
	size_t n_ids;
	char sdp[CALL_RESULTS][48];
	struct call_source src[SOURCES];
	size_t n_src;
	struct flow_action acts[CALL_ACTIONS + 2];
	struct flow_var vars[8];
	int phase;
	int64_t due;
	const char *name;
};

static void split(struct line *l, char *s)
{
	l->n = 0;
	while (*s && l->n < WORDS) {
		while (*s == ' ')
			s++;
		if (!*s)
			return;
		l->words[l->n++] = s;
		bool quoted = false;
		char *to = s;
		for (; *s && (quoted || *s != ' '); s++)
			if (*s == '"')
				quoted = !quoted;
			else
				*to++ = *s;
		if (*s)
			s++;
		*to = 0;
	}
}

static const char *get(const struct line *l, const char *key)
{
	size_t n = strlen(key);
	for (size_t i = 0; i < l->n; i++)
		if (strncmp(l->words[i], key, n) == 0 && l->words[i][n] == '=')
			return l->words[i] + n + 1;
	return NULL;
}

static bool has(const struct line *l, const char *word)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->words[i], word) == 0)
			return true;
	return false;
}

static uint32_t num(const struct line *l, const char *key, uint32_t def)
{
	const char *v = get(l, key);
	return v ? (uint32_t)strtoul(v, NULL, 10) : def;
}

static const char *id_of(struct script *s, const char *name)
{
	for (size_t i = s->names.n; name && i-- > 0;)
		if (strcmp(s->names.names[i], name) == 0)
			return s->names.ids[i];
	return name;
}

static struct call_dest dest(const struct line *l)
{
	static const struct {
		const char *key;
		enum dest_kind kind;
	} kinds[] = {
		{ "flow", DEST_FLOW },   { "queue", DEST_QUEUE }, { "agent-to", DEST_AGENT },
		{ "phone", DEST_PHONE }, { "uri", DEST_URI },     { "trunk", DEST_TRUNK },
	};
	struct call_dest d = {
		.number = get(l, "number"), .name = get(l, "name"), .music = get(l, "music"), .record = has(l, "record")
	};
	for (size_t i = 0; i < PL_ARRAY_N(kinds); i++)
		if (get(l, kinds[i].key)) {
			d.kind = kinds[i].kind;
			d.id = get(l, kinds[i].key);
		}
	return d;
}

static struct call_dest device(const struct line *l)
{
	struct call_dest d = { .kind = has(l, "browser") ? DEST_BROWSER : DEST_NONE };
	if (get(l, "device-phone"))
		d = (struct call_dest){ .kind = DEST_PHONE, .id = get(l, "device-phone") };
	if (get(l, "device-uri"))
		d = (struct call_dest){ .kind = DEST_URI, .id = get(l, "device-uri") };
	return d;
}

static struct flow_source_list sources(struct script *s, const struct line *l)
{
	struct flow_source_list r = { &s->src[s->n_src], 0 };
	for (size_t i = 0; i < l->n && s->n_src < SOURCES; i++)
		if (strchr("fds", l->words[i][0]) && l->words[i][1] == ':') {
			s->src[s->n_src++] = (struct call_source){ .kind = (enum source_kind)l->words[i][0],
								   .text = l->words[i] + 2,
								   .language = "en" };
			r.n++;
		}
	return r;
}

static struct flow_source_list one_source(struct script *s, const char *v)
{
	struct flow_source_list r = { &s->src[s->n_src], 0 };
	if (!v || s->n_src == SOURCES)
		return r;
	s->src[s->n_src++] = (struct call_source){ .kind = (enum source_kind)v[0], .text = v + 2, .language = "en" };
	r.n = 1;
	return r;
}

static void flow_part(struct script *s, struct ev_flow *f, struct line *l)
{
	static const char *const names[ACT_KIND_N] = { "", "answer", "play", "collect", "queue", "hangup", "dial" };
	if (has(l, "end"))
		f->ended = true;
	f->seq = num(l, "seq", f->seq);
	if (has(l, "fails"))
		f->err = PL_E_UNAVAIL;
	if (l->n > 1 && strcmp(l->words[0], "var") == 0) {
		char *eq = strchr(l->words[1], '=');
		*eq = 0;
		s->vars[f->n_vars++] = (struct flow_var){ l->words[1], eq + 1 };
		f->vars = s->vars;
	}
	for (unsigned k = 1; l->n && k < ACT_KIND_N; k++) {
		if (strcmp(l->words[0], names[k]) != 0)
			continue;
		struct flow_action *a = &s->acts[f->n_actions++];
		*a = (struct flow_action){ .kind = (enum act_kind)k,
					   .sources = sources(s, l),
					   .greeting = one_source(s, get(l, "greet")),
					   .announcement = one_source(s, get(l, "announce")),
					   .language = get(l, "lang"),
					   .terminator = get(l, "term"),
					   .exit_key = get(l, "exit"),
					   .max_digits = num(l, "max", 0),
					   .first_ms = num(l, "first", 5000),
					   .inter_ms = num(l, "inter", 2000),
					   .every_ms = num(l, "every", 0),
					   .ring_ms = num(l, "ring", 0),
					   .status = num(l, "status", 0),
					   .position = has(l, "position"),
					   .record = has(l, "record"),
					   .dest = dest(l) };
		if (k == ACT_QUEUE)
			a->dest.id = get(l, "id");
		f->actions = s->acts;
	}
}

static void flow_event(struct script *s, struct call_event *ev, char *text)
{
	ev->flow = (struct ev_flow){ .seq = s->c.flow_seq, .node = "flow-1" };
	static struct line l; /* its words stay in the text */
	for (char *part = text; part;) {
		char *next = strchr(part, '|');
		if (next)
			*next++ = 0;
		split(&l, part);
		flow_part(s, &ev->flow, &l);
		part = next;
	}
}

static void result_event(struct script *s, struct call_event *ev, const struct line *l)
{
	struct ev_result *r = &ev->result;
	*r = (struct ev_result){ .req = l->n > 1 ? (uint32_t)strtoul(l->words[1], NULL, 10) : 0,
				 .why = get(l, "err"),
				 .mos = num(l, "mos", 0) };
	bool newest = !r->req;
	for (size_t i = 0; newest && i < CALL_WAITS; i++) /* no number: the newest that is waited for */
		r->req = s->c.waits[i].kind ? PL_MAX(r->req, s->c.waits[i].req) : r->req;
	r->err = get(l, "err") ? pl_err_from_name(get(l, "err")) : PL_OK;
	for (size_t i = 0; i < CALL_WAITS; i++) {
		const struct call_wait *w = &s->c.waits[i];
		if (w->kind == WAIT_NONE || w->req != r->req || r->n == CALL_RESULTS)
			continue;
		const char *id = s->c.legs[w->leg].id;
		snprintf(s->sdp[r->n], sizeof(s->sdp[0]), "sdp-%s", script_name(&s->names, id));
		r->sdps[r->n] = (struct ev_sdp){ id, s->sdp[r->n] };
		r->n++;
	}
}

static void leg_ev(struct script *s, struct call_event *ev, const struct line *l)
{
	ev->leg = (struct ev_leg){ .leg_id = id_of(s, l->n > 1 ? l->words[1] : ""),
				   .seq = num(l, "seq", 0),
				   .status = num(l, "status", 0),
				   .sdp = get(l, "sdp"),
				   .reason = get(l, "reason"),
				   .digits = get(l, "digits"),
				   .by_remote = has(l, "remote"),
				   .lost = has(l, "lost"),
				   .dest = dest(l) };
}

static void cmd_ev(struct script *s, struct call_event *ev, const struct line *l)
{
	ev->cmd = (struct ev_cmd){ .rpc = num(l, "rpc", 1),
				   .agent_id = get(l, "agent"),
				   .offer_id = get(l, "offer"),
				   .sdp = get(l, "sdp"),
				   .digits = get(l, "digits"),
				   .on = has(l, "on"),
				   .dest = dest(l),
				   .device = device(l) };
}

static void other_ev(struct script *s, struct call_event *ev, const struct line *l)
{
	static const char *const outcomes[OFFER_OUTCOME_N] = { "",       "accepted",  "rejected", "timeout",
							       "failed", "elsewhere", "cancelled" };
	const char *word = l->n > 1 ? l->words[1] : "";
	switch (ev->kind) {
	case CALL_EV_INCOMING:
		ev->incoming = (struct ev_incoming){ .leg_id = "customer",
						     .edge = "edge-1",
						     .from = "+390432",
						     .to = "100",
						     .sip_call_id = "call-id",
						     .sdp = "offer-customer",
						     .dest = dest(l) };
		break;
	case CALL_EV_PLAY_DONE:
		ev->play = (struct ev_play){ .player = num(l, "p", s->c.playing),
					     .failed = has(l, "failed"),
					     .stopped = has(l, "stopped"),
					     .played_ms = num(l, "ms", 0) };
		break;
	case CALL_EV_DIGIT:
		ev->digit = (struct ev_digit){ .endpoint_id = id_of(s, "customer"), .digit = word[0] };
		break;
	case CALL_EV_ENDPOINT:
		ev->endpoint = (struct ev_endpoint){ .endpoint_id = id_of(s, word), .lost = has(l, "lost") };
		break;
	case CALL_EV_OFFERED:
		ev->offer = (struct ev_offer){ .offer_id = word,
					       .agent_id = get(l, "agent"),
					       .queue_id = get(l, "queue"),
					       .queue_name = get(l, "name"),
					       .fence = num(l, "fence", 7),
					       .ring_timeout_ms = num(l, "ring", 20000),
					       .device = device(l),
					       .auto_answer = has(l, "auto"),
					       .record = has(l, "record") };
		break;
	case CALL_EV_OFFER_ENDED:
		ev->offer_end = (struct ev_offer_end){ .offer_id = word };
		for (unsigned i = 1; i < OFFER_OUTCOME_N; i++)
			if (has(l, outcomes[i]))
				ev->offer_end.outcome = (enum offer_outcome)i;
		break;
	case CALL_EV_DEQUEUED:
		ev->dequeued = word;
		break;
	case CALL_EV_POSITION:
		ev->position = (uint32_t)strtoul(word, NULL, 10);
		break;
	case CALL_EV_EDGE_LOST:
	case CALL_EV_MEDIA_LOST:
	case CALL_EV_RECORDING_FAILED:
		ev->id = id_of(s, word);
		break;
	default:
		break;
	}
}

static void state(struct script *s)
{
	static const char *const phases[CALL_PHASE_N] = { "idle", "menu", "queue", "dial", "talk", "clearing", "end" };
	int64_t due = call_due_us(&s->c);
	if (s->phase == s->c.phase && s->due == due)
		return;
	fprintf(s->out, "= %s", phases[s->c.phase]);
	if (due && due - s->env.now_us < 3600 * PL_US_PER_S)
		fprintf(s->out, " due +%" PRId64 "ms", (due - s->env.now_us) / 1000);
	fputc('\n', s->out);
	s->phase = s->c.phase;
	s->due = due;
}

static void event(struct script *s, char *text)
{
	char copy[512];
	struct line l;
	struct call_event ev = { .kind = CALL_EVENT_N };
	if (text[0] == '+')
		s->env.now_us += strtol(text + 1, &text, 10) * PL_US_PER_MS;
	while (*text == ' ')
		text++;
	pl_strlcpy(copy, text, sizeof(copy));
	split(&l, text);
	for (unsigned k = 0; l.n && k < CALL_EVENT_N; k++)
		if (strcmp(call_event_name(k), l.words[0]) == 0)
			ev.kind = (enum call_event_kind)k;
	if (ev.kind == CALL_EVENT_N) {
		fprintf(stderr, "%s: no event: %s\n", s->name, copy);
		exit(99);
	}
	s->n_src = 0;
	if (get(&l, "edge"))
		s->env.edge = strcmp(get(&l, "edge"), "none") ? "edge-2" : "";
	if (get(&l, "media"))
		s->env.media = strcmp(get(&l, "media"), "none") ? "media-2" : "";
	if (ev.kind == CALL_EV_FLOW)
		flow_event(s, &ev, copy + 4);
	else if (ev.kind == CALL_EV_MEDIA_RESULT)
		result_event(s, &ev, &l);
	else if (ev.kind >= CALL_EV_LEG_RINGING && ev.kind <= CALL_EV_LEG_DIGITS)
		leg_ev(s, &ev, &l);
	else if (ev.kind == CALL_EV_DIAL_OUT || (ev.kind >= CALL_EV_ACCEPT && ev.kind <= CALL_EV_PAUSE_RECORDING))
		cmd_ev(s, &ev, &l);
	else
		other_ev(s, &ev, &l);
	enum pl_err err = call_step(&s->c, &ev, &s->env, &s->fx);
	if (err) {
		fprintf(s->out, "! %s\n", pl_err_name(err));
		return;
	}
	script_learn(&s->names, &s->c, &s->fx);
	script_effects(s->out, &s->names, &s->c, &s->fx);
	state(s);
}

char *script_run(const char *in, const char *name)
{
	char *text = NULL, *copy = strdup(in), *save = NULL;
	size_t len = 0;
	struct script *s = calloc(1, sizeof(*s));
	if (!s || !copy)
		exit(99);
	s->out = open_memstream(&text, &len);
	s->name = name;
	s->env = (struct call_env){
		.now_us = INT64_C(1790000000000000), .edge = "edge-1", .media = "media-1", .lim = &call_limits_default
	};
	call_init(&s->c, "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001");
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (*l != '#' && *l != '>')
			continue;
		fprintf(s->out, "%s%s\n", *l == '>' && s->phase + s->c.counter ? "\n" : "", l);
		if (*l == '>')
			event(s, l + 1 + strspn(l + 1, " "));
	}
	fclose(s->out);
	free(s);
	free(copy);
	return text;
}
