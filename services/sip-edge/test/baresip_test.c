/* A phone nobody here wrote: baresip registers, answers, is put on hold, hangs up and is hung up. */
#include "rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64] = "/tmp/parley-baresip-XXXXXX";

static void write_file(const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* A second of silence: 8 kHz, mono, 16 bit. */
static void write_wav(void)
{
	static const uint8_t head[44] = { 'R', 'I', 'F',  'F',  0xa4, 0x3e, 0,    0,    'W',  'A', 'V',
					  'E', 'f', 'm',  't',  ' ',  16,   0,    0,    0,    1,   0,
					  1,   0,   0x40, 0x1f, 0,    0,    0x80, 0x3e, 0,    0,   2,
					  0,   16,  0,    'd',  'a',  't',  'a',  0x80, 0x3e, 0,   0 };
	static const uint8_t silence[16000];
	char path[128];
	snprintf(path, sizeof path, "%s/in.wav", dir);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(head, sizeof head, 1, f) + fwrite(silence, sizeof silence, 1, f), 2);
	fclose(f);
}

static struct tk *baresip(const char *transport)
{
	char account[256], config[1024];
	snprintf(account, sizeof account,
		 "<sip:bob@127.0.0.1:%d;transport=%s>;auth_pass=correct-horse;regint=60;answermode=auto;audio_codecs="
		 "pcma\n",
		 rig.sip_port, transport);
	snprintf(config, sizeof config,
		 "sip_listen 127.0.0.1:0\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\n"
		 "module_tmp account.so\nmodule_app menu.so\naudio_source aufile,%s/in.wav\naudio_player "
		 "aufile,%s/out.wav\naudio_alert aufile,%s/alert.wav\n"
		 "rtp_ports 40000-49000\n",
		 dir, dir, dir);
	write_file("accounts", account);
	write_file("config", config);
	write_file("contacts", "");
	write_wav();
	const char *argv[] = { "/usr/bin/baresip", "-f", dir, NULL };
	return tk_program(argv, 0);
}

static bool registered(void *arg)
{
	return rig.n_registered > *(int *)arg;
}

static bool legs_zero(void *arg)
{
	return rig_metric("parley_sip_edge_legs") == 0;
}

static void call_and_hold(const char *id)
{
	char leg[PL_ID_LEN], hold[512];
	rig_dial(leg, NULL, id, 20000);
	const struct rig_event *e = rig_event(leg, KIND(ANSWERED));
	ck_assert_ptr_nonnull(strstr(e->sdp, "m=audio"));
	snprintf(hold, sizeof hold, "%sa=sendonly\r\n", sdp_a);
	rig_reinvite(leg, hold);
	e = rig_event(leg, KIND(REINVITED));
	ck_assert_uint_eq(e->status, 200);
	ck_assert_ptr_nonnull(strstr(e->sdp, "m=audio"));
	rig_hangup(leg, 0);
	ck_assert(!rig_event(leg, KIND(ENDED))->by_remote);
	ck_assert(rig_until(legs_zero, NULL));
}

START_TEST(baresip_registers_answers_holds_and_ends)
{
	static const char *const transports[] = { "udp", "tcp" };
	char id[PL_ID_LEN];
	/* Known by another name than the one it is bound to: what Contact and Via say. */
	rig_open((const char *const[]){ "--public-address=localhost", NULL });
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	rig_phone("bob", "correct-horse", id);
	for (int i = 0; i < 2; i++) {
		int before = rig.n_registered, down = rig.n_unregistered;
		struct tk *phone = baresip(transports[i]);
		ck_assert_msg(rig_until(registered, &before), "did not register over %s", transports[i]);
		call_and_hold(id);
		tk_stop(phone); /* says REGISTER with Expires: 0 */
		for (int64_t end = pl_mono_us() + LIMIT_S * PL_US_PER_S;
		     rig.n_unregistered == down && pl_mono_us() < end;)
			rig_turn();
		ck_assert_int_eq(rig.n_unregistered, down + 1);
		tk_free(phone);
	}
}
END_TEST

START_TEST(sip_edge_ends_well)
{
	char command[128];
	rig_close();
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sip-edge baresip");
	TCase *c = tcase_create("all");
	tcase_set_timeout(c, 0);
	tcase_add_test(c, baresip_registers_answers_holds_and_ends);
	tcase_add_test(c, sip_edge_ends_well);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
