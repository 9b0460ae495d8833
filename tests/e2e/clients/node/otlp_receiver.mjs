// An OpenTelemetry receiver for OTLP/HTTP in JSON, which decodes what comes with the published proto (of
// the package @opentelemetry/otlp-transformer): otlp_receiver.mjs READY LOG CERT KEY
//
// Listens on a free port of 127.0.0.1, which it writes to READY. A line of LOG for each request: its
// path, what was decoded, and what in the JSON the proto does not know. Below /rejecting a record whose
// aigw.id is BAD is rejected; below /waiting the first metrics are, for now.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { createRequire } from 'node:module'
import { gunzipSync } from 'node:zlib'

const require = createRequire(`${process.env.NODE_PACKAGES}/`)
const { opentelemetry } = require(
	`${process.env.NODE_PACKAGES}/node_modules/@opentelemetry/otlp-transformer/build/src/generated/root.js`)
const [ready, log, cert, key] = process.argv.slice(2)
const { logs, metrics } = opentelemetry.proto.collector
const types = {
	'/v1/logs': logs.v1.ExportLogsServiceRequest,
	'/v1/metrics': metrics.v1.ExportMetricsServiceRequest,
}
let metricsRequests = 0

// Paths of what stands in the JSON and did not survive the proto: other names, types or values.
function differences(sent, decoded, path = '') {
	if (Array.isArray(sent))
		return sent.length === (decoded ?? []).length
			? sent.flatMap((item, i) => differences(item, decoded[i], `${path}/${i}`)) : [path]
	if (sent !== null && typeof sent === 'object')
		return Object.keys(sent).flatMap(name => decoded !== null && typeof decoded === 'object' && name in decoded
			? differences(sent[name], decoded[name], `${path}/${name}`) : [`${path}/${name}`])
	return sent === decoded ? [] : [path]
}

function decode(path, body) {
	const type = types[path]
	const sent = JSON.parse(body)
	// through the wire format, as a receiver of protobuf would see it
	const message = type.decode(type.encode(type.fromObject(sent)).finish())
	const decoded = type.toObject(message, { longs: String, bytes: String, arrays: true })
	return { decoded, lost: differences(sent, decoded) }
}

function answer(prefix, path, decoded) {
	if (prefix === '/waiting' && path === '/v1/metrics' && metricsRequests++ === 0)
		return [503, {}]
	if (prefix !== '/rejecting' || path !== '/v1/logs')
		return [200, {}]
	const bad = decoded.resourceLogs.flatMap(r => r.scopeLogs).flatMap(s => s.logRecords)
		.filter(r => r.attributes.some(a => a.key === 'aigw.id' && a.value.stringValue === 'BAD')).length
	return [200, bad ? { partialSuccess: { rejectedLogRecords: `${bad}`, errorMessage: 'not that one' } } : {}]
}

const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
	const pieces = []
	request.on('data', piece => pieces.push(piece))
	request.on('end', () => {
		const body = Buffer.concat(pieces)
		const [, prefix, path] = request.url.match(/^(.*)(\/v1\/.*)$/)
		const seen = decode(path, request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body)
		const [status, said] = answer(prefix, path, seen.decoded)
		appendFileSync(log, `${JSON.stringify({ path: request.url, type: request.headers['content-type'],
			authorization: request.headers.authorization, status, ...seen })}\n`)
		response.writeHead(status, { 'Content-Type': 'application/json' })
		response.end(JSON.stringify(said))
	})
})
server.listen(0, '127.0.0.1', () => writeFileSync(ready, `${server.address().port}\n`))
