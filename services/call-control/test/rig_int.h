/* Between rig.c and its stand-ins. */
#ifndef CALL_CONTROL_RIG_INT_H
#define CALL_CONTROL_RIG_INT_H
#include "rig.h"

extern struct pl_why rig_why;
void rig_must(enum pl_err err, const char *what); /* ends the test process with the log */
struct bus *rig_connect(const char *service, const char *node);
struct bus *rig_media_node(const char *node);
void rig_serve_all(void);
#endif
