// Answers as the providers' own documents and SDKs have them, for what aimock does not speak: standins.mjs
// CERTIFICATES READY SEEN, as aimock.mjs. Mistral; Gemini's batchEmbedContents; Bedrock's
// invoke-with-response-stream, whose chunks are base64 inside JSON.
import { readFileSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { crc32 } from 'node:zlib'

const [from, ready, seen] = process.argv.slice(2)
const models = []
const text = 'One, two – 三 four, "five" \\ six.\nSeven 🐘.'
const pieces = text.match(/[^]{1,9}/gu)
const usage = { prompt_tokens: 1019, total_tokens: 1076, completion_tokens: 57, num_cached_tokens: 512 }
const calls = [
	{ id: 'D681PevKs', function: { name: 'weather', arguments: '{"city": "Ulm \\"old\\"", "days": [1, 2]}' }, index: 0 },
	{ id: '9fKq2LmPz', function: { name: 'time', arguments: '{"zone": "Europe/Berlin"}' }, index: 1 },
]

function json(response, body) {
	response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

// ---- Mistral: usage in a stream without being asked, tool calls whole in one chunk, padding ----

function mistralStream(response, { model, tools }) {
	const chunk = (delta, finish_reason = null, more = {}) => response.write(`data: ${JSON.stringify({
		id: 'm-1', object: 'chat.completion.chunk', created: 1700000000, model,
		choices: [{ index: 0, delta, finish_reason }], p: 'abcdefgh', ...more })}\n\n`)
	response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
	chunk({ role: 'assistant', content: '' })
	if (tools)
		chunk({ content: '', tool_calls: calls }, 'tool_calls', { usage })
	else {
		for (const content of pieces)
			chunk({ content })
		chunk({ content: '' }, 'stop', { usage })
	}
	response.end('data: [DONE]\n\n')
}

function mistral(response, path, request) {
	if (path === '/v1/embeddings')
		json(response, {
			id: 'e-1', object: 'list', model: request.model,
			data: [{ object: 'embedding', index: 0, embedding: [0.25, -0.5] }],
			usage: { prompt_tokens: 5, total_tokens: 5, completion_tokens: 0 },
		})
	else if (request.stream)
		mistralStream(response, request)
	else
		json(response, {
			id: 'm-2', object: 'chat.completion', created: 1700000000, model: request.model, usage,
			choices: [{
				index: 0, finish_reason: request.tools ? 'tool_calls' : 'stop',
				message: request.tools ? { role: 'assistant', content: '', tool_calls: calls }
					: { role: 'assistant', content: text, tool_calls: null },
			}],
		})
}

// ---- Bedrock: messages of application/vnd.amazon.eventstream ----

function header(name, value) {
	const at = Buffer.alloc(4 + name.length + value.length)
	at.writeUInt8(name.length, 0)
	at.write(name, 1)
	at.writeUInt8(7, 1 + name.length) // a string
	at.writeUInt16BE(value.length, 2 + name.length)
	at.write(value, 4 + name.length)
	return at
}

function message(payload) {
	const headers = Buffer.concat([
		header(':event-type', 'chunk'), header(':content-type', 'application/json'), header(':message-type', 'event')])
	const body = Buffer.from(JSON.stringify(payload))
	const at = Buffer.alloc(16 + headers.length + body.length)
	at.writeUInt32BE(at.length, 0)
	at.writeUInt32BE(headers.length, 4)
	at.writeUInt32BE(crc32(at.subarray(0, 8)), 8)
	headers.copy(at, 12)
	body.copy(at, 12 + headers.length)
	at.writeUInt32BE(crc32(at.subarray(0, -4)), at.length - 4)
	return at
}

function bedrock(response) {
	const metrics = { inputTokenCount: 1019, outputTokenCount: 57, invocationLatency: 9, firstByteLatency: 3 }
	const events = [
		{ type: 'message_start', message: {
			id: 'msg_bdrk_1', type: 'message', role: 'assistant', model: 'claude-haiku-4-5-20251001', content: [],
			stop_reason: null, usage: { input_tokens: 1019, output_tokens: 1 } } },
		{ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
		...pieces.map(piece => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } })),
		{ type: 'content_block_stop', index: 0 },
		{ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 57 } },
		{ type: 'message_stop', 'amazon-bedrock-invocationMetrics': metrics },
	]
	response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' })
	for (const event of events)
		response.write(message({ bytes: Buffer.from(JSON.stringify(event)).toString('base64'), p: 'abcdef' }))
	response.end()
}

// ---- the server ----

function answer(request, response, body) {
	const path = request.url.split('?')[0]
	models.push(body.model ?? decodeURIComponent(path))
	if (request.socket.servername === 'api.mistral.ai')
		mistral(response, path, body)
	else if (path.endsWith('/invoke-with-response-stream'))
		bedrock(response)
	else if (path.endsWith(':batchEmbedContents'))
		json(response, { embeddings: body.requests.map(() => ({ values: [0.25, -0.5] })) })
	else
		response.writeHead(404).end()
}

const server = https.createServer({
	cert: readFileSync(`${from}/cert.pem`), key: readFileSync(`${from}/key.pem`),
}, async (request, response) => {
	let body = ''
	for await (const piece of request.setEncoding('utf8'))
		body += piece
	answer(request, response, JSON.parse(body))
})
server.listen(0, '127.0.0.1', () => writeFileSync(ready, `${server.address().port}\n`))
process.on('SIGTERM', () => {
	writeFileSync(seen, models.map(model => `${model}\n`).join(''))
	process.exit(0)
})
