/** SIP messages in the log (--sip-trace, level debug), and the stack's own warnings. Digits of numbers and everything
 * in Authorization headers are masked. */
#ifndef SIP_EDGE_TRACE_H
#define SIP_EDGE_TRACE_H
struct edge;
void trace_open(struct edge *e);
void trace_close(struct edge *e);
#endif
