/** Body of a SIP INFO that carries a key press. Pure; reads bytes from outside.
 *  Source     application/dtmf-relay ("Signal=5\r\nDuration=160") and application/dtmf ("5") as phones send them; no
 * RFC. */
#ifndef SIP_EDGE_INFO_H
#define SIP_EDGE_INFO_H
#include <parley/base.h>
/** '0'-'9', '*', '#', 'A'-'D'; 0 when the body holds none. body need not end with 0. */
char info_digit(const char *body, size_t n, bool relay);
#endif
