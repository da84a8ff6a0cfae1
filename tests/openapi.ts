/** Writes docs/openapi.yaml (OpenAPI 3.1) from the contract, comments included.
 *  usage: node openapi.ts [--check]     --check: only says whether the file is what proto/ says */
import { execFileSync } from "node:child_process";
import { createFileRegistry, fromBinary, ScalarType, type DescField, type DescMessage, type DescMethod } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const top = join(dirname(fileURLToPath(import.meta.url)), "..");
const scratch = mkdtempSync(join(tmpdir(), "parley-openapi-"));
const image = join(scratch, "contract.binpb");
execFileSync("node", [join(top, "web/node_modules/@bufbuild/buf/bin/buf"), "build", join(top, "proto"), "-o", image]);
const set = fromBinary(FileDescriptorSetSchema, readFileSync(image));
rmSync(scratch, { recursive: true });
const registry = createFileRegistry(set);

/** Comment of a descriptor by its path in the file (descriptor.proto, SourceCodeInfo). */
const comments = new Map<string, string>();
function walk(f: FileDescriptorProto) {
  for (const l of f.sourceCodeInfo?.location ?? []) {
    const text = (l.leadingComments || l.trailingComments).trim().replace(/\s*\n\s*/g, " ");
    if (text) comments.set(`${f.name}:${l.path.join(".")}`, text);
  }
}
set.file.forEach(walk);
const paths = new Map<string, string>();
for (const f of set.file) {
  const message = (m: any, prefix: string, path: string) => {
    paths.set(`${prefix}${m.name}`, `${f.name}:${path}`);
    m.field.forEach((x: any, i: number) => paths.set(`${prefix}${m.name}.${x.name}`, `${f.name}:${path}.2.${i}`));
    m.nestedType.forEach((n: any, i: number) => message(n, `${prefix}${m.name}.`, `${path}.3.${i}`));
  };
  f.messageType.forEach((m, i) => message(m, `${f.package}.`, `4.${i}`));
  f.enumType.forEach((e, i) => paths.set(`${f.package}.${e.name}`, `${f.name}:5.${i}`));
  f.service.forEach((s, i) => {
    paths.set(`${f.package}.${s.name}`, `${f.name}:6.${i}`);
    s.method.forEach((m, k) => paths.set(`${f.package}.${s.name}.${m.name}`, `${f.name}:6.${i}.2.${k}`));
  });
}
const note = (name: string) => comments.get(paths.get(name) ?? "");

const schemas: Record<string, unknown> = {};
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const WELL_KNOWN: Record<string, unknown> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]+)?s$" },
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.Value": {},
  "google.protobuf.ListValue": { type: "array", items: {} },
  "google.protobuf.FieldMask": { type: "string" },
  "google.protobuf.Empty": { type: "object" },
};
function scalar(t: ScalarType): unknown {
  switch (t) {
    case ScalarType.BOOL: return { type: "boolean" };
    case ScalarType.STRING: return { type: "string" };
    case ScalarType.BYTES: return { type: "string", contentEncoding: "base64" };
    case ScalarType.DOUBLE: case ScalarType.FLOAT: return { type: "number" };
    case ScalarType.INT64: case ScalarType.UINT64: case ScalarType.SINT64: case ScalarType.FIXED64: case ScalarType.SFIXED64:
      return { type: "string", pattern: "^-?[0-9]+$" };
    default: return { type: "integer" };
  }
}
function single(kind: string, f: any): unknown {
  if (kind === "message") return messageRef(f.message);
  if (kind === "enum") {
    schemas[f.enum.typeName] ??= { type: "string", enum: f.enum.values.map((v: any) => v.name), ...describe(note(f.enum.typeName)) };
    return ref(f.enum.typeName);
  }
  return scalar(f.scalar);
}
const describe = (text?: string) => (text ? { description: text } : {});
function field(f: DescField, name: string): unknown {
  let s: any;
  if (f.fieldKind === "list") s = { type: "array", items: single(f.listKind, f) };
  else if (f.fieldKind === "map") s = { type: "object", additionalProperties: single(f.mapKind, f) };
  else s = single(f.fieldKind, f);
  return s.$ref && note(name) ? { allOf: [s], description: note(name) } : { ...s, ...describe(note(name)) };
}
function messageRef(m: DescMessage): unknown {
  if (m.typeName in WELL_KNOWN) return WELL_KNOWN[m.typeName];
  if (!schemas[m.typeName]) {
    const s: any = (schemas[m.typeName] = { type: "object", ...describe(note(m.typeName)) });
    if (m.fields.length) s.properties = Object.fromEntries(m.fields.map((f) => [f.jsonName, field(f, `${m.typeName}.${f.name}`)]));
  }
  return ref(m.typeName);
}
const json = (schema: unknown) => ({ "application/json": { schema } });
function operation(m: DescMethod): unknown {
  const service = m.parent.typeName;
  return { post: {
    tags: [service], operationId: `${service}.${m.name}`, ...describe([note(service), note(`${service}.${m.name}`)].filter(Boolean).join(" ")),
    requestBody: { required: true, content: json(messageRef(m.input)) },
    responses: { "200": { description: "The answer", content: json(messageRef(m.output)) }, default: { description: "A Connect error", content: json(ref("connect.error")) } },
  } };
}

const out: any = {
  openapi: "3.1.0",
  info: { title: "Parley", version: "1", description: "Generated from proto/. Connect unary RPC: each call is a POST with a JSON body. Sign in with parley.auth.v1.AuthService/Login; the session is the cookie parley_session." },
  servers: [{ url: "/api" }],
  security: [{ session: [] }],
  paths: {},
  components: { securitySchemes: { session: { type: "apiKey", in: "cookie", name: "parley_session" } }, schemas },
};
schemas["connect.error"] = { type: "object", properties: { code: { type: "string" }, message: { type: "string" }, details: { type: "array", items: { type: "object" } } } };
for (const f of [...registry.files].sort((a, b) => (a.name < b.name ? -1 : 1)))
  for (const s of f.services)
    if (s.typeName.startsWith("parley.") && !s.name.endsWith("InternalService"))
      for (const m of s.methods) out.paths[`/${s.typeName}/${m.name}`] = operation(m);
const text = (d: string, type = "application/json") => ({ description: d, content: { [type]: {} } });
const id = { name: "id", in: "path", required: true, schema: { type: "string" } };
out.paths["/events"] = { get: { tags: ["stream"], description: "Server-Sent Events of the ledger and of real-time figures; resumes at Last-Event-ID. See docs/integrators.md.", responses: { "200": text("The stream", "text/event-stream") } } };
out.paths["/recordings/{id}/audio"] = { get: { tags: ["recordings"], parameters: [id], description: "WAV, 16 bit, stereo (left customer, right agent); byte ranges.", responses: { "200": text("All of it", "audio/wav"), "206": text("The range asked for", "audio/wav") } } };
out.paths["/recordings/{id}/peaks"] = { get: { tags: ["recordings"], parameters: [id], description: "Peaks for a waveform.", responses: { "200": text("Peaks") } } };

/** JSON to YAML: block style, strings quoted where they must be. */
function yaml(v: any, indent = ""): string {
  if (v === null || typeof v !== "object") return ` ${typeof v === "string" ? JSON.stringify(v) : String(v)}\n`;
  const entries = Array.isArray(v) ? v.map((x) => ["-", x] as const) : Object.entries(v).map(([k, x]) => [`${/^[A-Za-z_$][\w$]*$/.test(k) ? k : JSON.stringify(k)}:`, x] as const);
  if (!entries.length) return Array.isArray(v) ? " []\n" : " {}\n";
  return "\n" + entries.map(([k, x]) => `${indent}${k}${yaml(x, indent + "  ")}`).join("");
}
const target = join(top, "docs/openapi.yaml");
const body = "# Generated from proto/ by tests/openapi.ts; do not edit." + yaml(out);
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== body) {
    console.error("docs/openapi.yaml is not what proto/ says: run `make openapi`");
    process.exit(1);
  }
} else writeFileSync(target, body);
