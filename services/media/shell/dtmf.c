/* In-band digits (ITU-T Q.24) by spandsp, for endpoints without telephone-event. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
/* spandsp's headers need each other in this order */
/* clang-format off */
#include <spandsp/telephony.h>
#include <spandsp/complex.h>
#include <spandsp/logging.h>
#include <spandsp/super_tone_rx.h>
#include <spandsp/dtmf.h>
/* clang-format on */

#include "media.h"

char dtmf_detector_take(void **d, const int16_t *pcm, size_t n)
{
	char digit[2] = "";
	if (!*d && !(*d = dtmf_rx_init(NULL, NULL, NULL)))
		return '\0';
	dtmf_rx(*d, pcm, (int)n);
	return dtmf_rx_get(*d, digit, 1) > 0 ? digit[0] : '\0';
}

void dtmf_detector_free(void *d)
{
	if (d)
		dtmf_rx_free(d);
}
