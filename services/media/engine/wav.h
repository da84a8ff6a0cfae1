/** The header of a 16-bit PCM WAV file (RIFF), written. Pure. */
#ifndef MEDIA_ENGINE_WAV_H
#define MEDIA_ENGINE_WAV_H
#include <stdint.h>

#define WAV_HDR_BYTES 44
/** data_bytes: of the samples that follow; sizes saturate at 32 bits. */
void wav_header(uint8_t out[WAV_HDR_BYTES], unsigned channels, unsigned rate_hz, uint64_t data_bytes);
#endif
