#!/bin/sh
# Generates C from proto/: OUT/<path>.pb-c.{h,c}, one proto_all.c that includes them, registry.c.
# usage: gen_proto.sh PROTOC_C SRC WKT_DIR OUT NAME...
set -eu
protoc=$1 src=$2 wkt=$3 out=$4
shift 4
here=$(dirname "$0")
set_files=""
headers=""
: >"$out/proto_all.c.tmp"
for n in "$@"; do
	set_files="$set_files $n.proto"
	headers="$headers $out/$n.pb-c.h"
	echo "#include \"$n.pb-c.c\"" >>"$out/proto_all.c.tmp"
done
# shellcheck disable=SC2086
"$protoc" --c_out="$out" -I"$src" -I"$wkt" $set_files
# shellcheck disable=SC2086
python3 "$here/gen_registry.py" "$out/registry.c" $headers
mv "$out/proto_all.c.tmp" "$out/proto_all.c"
date >"$out/proto.stamp"
echo "/* The contract was generated at $(date -u +%FT%TZ). */" >"$out/proto.stamp.h"
