/* Every message and service of proto/ (tools/gen_registry.py). libs/rpc sorts and searches them by full name. */
#ifndef PARLEY_REGISTRY_H
#define PARLEY_REGISTRY_H
#include <protobuf-c/protobuf-c.h>
extern const ProtobufCMessageDescriptor *const parley_messages[];
extern const size_t parley_messages_n;
extern const ProtobufCServiceDescriptor *const parley_services[];
extern const size_t parley_services_n;
#endif
