/** Options of sip-edge beyond the common ones; README.md lists them. */
#ifndef SIP_EDGE_OPTIONS_H
#define SIP_EDGE_OPTIONS_H
#include <parley/cfg.h>

struct edge_cfg {
	char *sip_address, *public_address, *realm, *sql_dir, *tls_dir;
	int64_t sip_port, tls_port;
	int64_t udp_buffer_bytes;
	int64_t max_legs, calls_per_s, calls_burst, slow_ms, incoming_timeout_ms;
	int64_t register_min_s, register_max_s, register_default_s;
	int64_t session_expires_s;
	int64_t ban_points, ban_window_s, ban_s, ban_max_s;
	int64_t nonce_age_s;
	int64_t orphan_s;
	bool sip_trace;
};
extern const struct cfg_opt edge_opts[];
#endif
